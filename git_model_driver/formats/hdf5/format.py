"""HDF5 files: those of Keras, h5py, PyTables.

Extents are the values of datasets, a chunk at a time where they are chunked; where
Keras wrote the file, variables have the names that people know them by.
Attributes are lines ``<object>@<name>``; links that lead elsewhere are lines, too,
and never followed. What a modern header's checksum covers stays in the skeleton.
"""
from __future__ import annotations

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.skeleton import Builder
from git_model_driver.formats.base import Extents
from git_model_driver.formats.base import Source
from git_model_driver.formats.hdf5 import datasets
from git_model_driver.formats.hdf5 import groups
from git_model_driver.formats.hdf5 import write
from git_model_driver.formats.hdf5.attributes import Heaps
from git_model_driver.formats.hdf5.attributes import attribute
from git_model_driver.formats.hdf5.file import SIGNATURE
from git_model_driver.formats.hdf5.file import UNDEFINED
from git_model_driver.formats.hdf5.file import File
from git_model_driver.formats.hdf5.file import Message
from git_model_driver.formats.hdf5.groups import Link
from git_model_driver.formats.keras import names

NAME = 'hdf5'
_LINK_INFO, _LINK, _ATTRIBUTE, _SYMBOL_TABLE, _ATTRIBUTE_INFO = 2, 6, 12, 17, 21
_MOST_OBJECTS = 1 << 20
_DEEPEST = 64


def sniff(head: bytes, size: int) -> bool:
    return head.startswith(SIGNATURE)


def read(source: Source) -> Layout:
    tensors, meta = Walk(File(source)).everything()
    return Layout(NAME, len(source), tuple(names.renamed(tensors, meta)), meta)


def rebuild(manifest: Manifest, extent: Extents) -> bytes:
    """A new file of these datasets and attributes. Raises FormatError.

    Not of Keras' files: their paths do not follow from the names.
    """
    if any(key.endswith(('vars@name', '@layer_names')) for key in manifest.meta):
        raise FormatError("Keras' HDF5 files cannot be written anew (.keras can)")
    aliases = {key[:-1] for key, text in manifest.meta.items()
               if key.endswith('@') and text.startswith('same as ')}
    datasets = {n: e for n, e in manifest.tensors.items() if n not in aliases}
    out = Builder()
    for part in write.parts(datasets, manifest.meta, Walk):
        out.add(part)
    return out.serialize()


class Walk:
    """Goes through all objects of a file, each once."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._heaps = Heaps(file)
        self._seen: dict[int, str] = {}
        self._found: dict[str, list[Tensor]] = {}
        self._meta: dict[str, str] = {}

    def everything(self) -> tuple[list[Tensor], dict[str, str]]:
        """Tensors by their paths, and attributes by ``path@name``."""
        todo = [('', self._file.root)]
        while todo:
            path, address = todo.pop()
            if address in self._seen:
                self._alias(path, self._seen[address])
                continue
            self._seen[address] = path
            if len(self._seen) > _MOST_OBJECTS or path.count('/') > _DEEPEST:
                raise FormatError('hdf5: more objects than a model has')
            for name, child in reversed(self._object(path, address)):
                below = f'{path}/{name}' if path else name
                if child is None:
                    self._note(f'{below}@', 'link')
                else:
                    todo.append((below, child))
        tensors = [tensor for found in self._found.values() for tensor in found]
        if len({tensor.name for tensor in tensors}) != len(tensors):
            raise FormatError('hdf5: two datasets of one name')
        return tensors, self._meta

    def _object(self, path: str, address: int) -> list[Link]:
        """Take in an object; the links below it, if it is a group."""
        links: list[Link] = []
        parts: dict[int, Message] = {}
        for message in self._file.messages(address):
            if message.kind == _ATTRIBUTE and not message.shared:
                key, text = attribute(self._file, message, self._heaps)
                self._note(f'{path}@{key}', text)
            elif message.kind == _SYMBOL_TABLE:
                links += groups.symbol_table(self._file, message)
            elif message.kind == _LINK:
                links.append(groups.link(self._file, message))
            elif message.kind in (_LINK_INFO, _ATTRIBUTE_INFO):
                self._refuse_dense(message)
            else:
                parts[message.kind] = message
        if found := datasets.dataset(self._file, parts):
            self._found[path] = [
                self._typed(path, tensor)
                for tensor in datasets.tensors(self._file, path, found)
            ]
        return links

    def _typed(self, path: str, tensor: Tensor) -> Tensor:
        """Keras writes bfloat16 as two bytes of no type, and the type beside it."""
        if tensor.dtype == '|V2' and self._meta.get(f'{path}@dtype') == 'str bfloat16':
            tensor = tensor._replace(dtype='BF16')
        if 'bytes' not in dict(tensor.extra) and tensor.extent.length != (
            dtypes.byte_length(tensor.dtype, tensor.shape)
        ):
            raise FormatError('hdf5: a dataset of another size than its shape says')
        return tensor

    def _refuse_dense(self, message: Message) -> None:
        flags, at = self._file.number(1, message.at + 1), message.at + 2
        width = 8 if message.kind == _LINK_INFO else 2
        if self._file.number(8, at + (width if flags & 1 else 0)) != UNDEFINED:
            raise FormatError('hdf5: links or attributes in a fractal heap')

    def _alias(self, path: str, first: str) -> None:
        self._note(f'{path}@', f'same as {first}')
        if first in self._found:
            self._found[path] = [
                tensor._replace(name=path + tensor.name[len(first):])
                for tensor in self._found[first]
            ]

    def _note(self, key: str, text: str) -> None:
        if key in self._meta:
            raise FormatError('hdf5: two attributes of one name')
        self._meta[key] = text
