"""The .index files of TensorFlow's checkpoints (tensor_bundle.cc).

They have no tensors in them, but the checksum of each.
"""
from __future__ import annotations

from git_model_driver.core.layout import Layout
from git_model_driver.core.manifest import Manifest
from git_model_driver.formats.base import Extents
from git_model_driver.formats.base import Source
from git_model_driver.formats.tensorflow import checkpoint
from git_model_driver.formats.tensorflow import table

NAME = 'tensorflow-index'


def sniff(head: bytes, size: int) -> bool:
    return size >= table.FOOTER


def read(source: Source) -> Layout:
    return checkpoint.read_index(source, NAME)


def rebuild(manifest: Manifest, extent: Extents) -> bytes:
    return checkpoint.rebuild_index(manifest)
