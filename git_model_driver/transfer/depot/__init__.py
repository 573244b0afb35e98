"""Tensors in a directory, or in object storage: S3 and whatever else fsspec reaches."""
