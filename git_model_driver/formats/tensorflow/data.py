"""The .data files of TensorFlow's checkpoints (tensor_bundle.cc)."""
from __future__ import annotations

from git_model_driver.core.layout import Layout
from git_model_driver.core.manifest import Manifest
from git_model_driver.formats.base import Extents
from git_model_driver.formats.base import Source
from git_model_driver.formats.tensorflow import checkpoint

NAME = 'tensorflow-data'


def sniff(head: bytes, size: int) -> bool:
    return True         # told by the file's name


def read(source: Source) -> Layout:
    return checkpoint.read_data(source, NAME)


def rebuild(manifest: Manifest, extent: Extents) -> bytes:
    return checkpoint.rebuild_data(manifest)
