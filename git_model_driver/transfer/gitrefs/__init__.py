"""Tensors on refs of the Git remote itself."""
