"""The formats there are, and which one a file is in."""
from __future__ import annotations

from collections.abc import Iterator

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Layout
from git_model_driver.formats import flax
from git_model_driver.formats import foreign
from git_model_driver.formats import gguf
from git_model_driver.formats import npy
from git_model_driver.formats import npz
from git_model_driver.formats import onnx
from git_model_driver.formats import onnxdata
from git_model_driver.formats import safetensors
from git_model_driver.formats.base import Format
from git_model_driver.formats.base import Source
from git_model_driver.formats.base import read
from git_model_driver.formats.hdf5 import format as hdf5
from git_model_driver.formats.keras import archive as keras
from git_model_driver.formats.pytorch import archive as pytorch
from git_model_driver.formats.pytorch import legacy as pytorch_legacy
from git_model_driver.formats.tensorflow import data as tensorflow_data
from git_model_driver.formats.tensorflow import index as tensorflow_index
from git_model_driver.formats.tensorflow import savedmodel

# Told apart by their first bytes; the first that can read the file has it.
FORMATS: dict[str, Format] = {
    tensorflow_data.NAME: tensorflow_data,
    tensorflow_index.NAME: tensorflow_index,
    savedmodel.NAME: savedmodel,
    onnxdata.NAME: onnxdata,
    npy.NAME: npy,
    keras.NAME: keras,
    pytorch.NAME: pytorch,
    npz.NAME: npz,
    pytorch_legacy.NAME: pytorch_legacy,
    hdf5.NAME: hdf5,
    gguf.NAME: gguf,
    onnx.NAME: onnx,
    flax.NAME: flax,
    safetensors.NAME: safetensors,
}
_HEAD = 64


def find(name: str) -> Format:
    """The format of that name. Raises FormatError."""
    if name in FORMATS:
        return FORMATS[name]
    for form in foreign.installed():
        if name == form.NAME:
            return form
    raise FormatError(
        f"the format '{name}' is not known here",
        'upgrade with "pip install --upgrade git-model-driver", or install the '
        'package that knows it',
    )


def read_any(source: Source) -> Layout | None:
    """The layout of a file in any known format, or None: it is opaque.

    Raises FormatError where a format of another package is broken.
    """
    head = bytes(source[0:_HEAD])
    for form in _all():
        if form.sniff(head, len(source)):
            try:
                return read(form, source)
            except FormatError:
                continue
    return None


def _all() -> Iterator[Format]:
    yield from FORMATS.values()
    yield from foreign.installed()      # looked for only where ours do not know it
