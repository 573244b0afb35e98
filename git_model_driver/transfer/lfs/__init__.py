"""Tensors on a Git LFS server: raw, under the oid that they have anyway."""
