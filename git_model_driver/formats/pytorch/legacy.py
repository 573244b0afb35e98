"""What torch.save wrote before 1.6: five pickles, then the storages one by one.

The pickles are a magic number, the protocol, the system, the object, and the keys
of the storages; each storage is its number of elements (i64) and they.
"""
from __future__ import annotations

import io
import struct
from typing import BinaryIO

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.formats.base import Source
from git_model_driver.formats.pytorch import objects
from git_model_driver.formats.pytorch import pickled
from git_model_driver.formats.pytorch.pickled import View

NAME = 'pytorch-legacy'
_MAGIC, _PROTOCOL = 0x1950a86a20f9469cfc6c, 1001
_HEAD = b'\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.'
_COUNT = struct.Struct('<q')


class _Stream(io.RawIOBase):
    """A source as a file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, at: int, whence: int = 0) -> int:
        self._at = at + (0, self._at, len(self._source))[whence]
        return self._at

    def readinto(self, into: bytearray | memoryview) -> int:    # type: ignore[override]
        stop = min(self._at + len(into), len(self._source))
        data = bytes(self._source[self._at:stop])
        into[:len(data)] = data
        self._at += len(data)
        return len(data)


def sniff(head: bytes, size: int) -> bool:
    return head.startswith(_HEAD)


def read(source: Source) -> Layout:
    file: BinaryIO = io.BufferedReader(_Stream(source), 1 << 18)
    magic, protocol, system = (pickled.load(file) for _ in range(3))
    if (magic, protocol) != (_MAGIC, _PROTOCOL) or type(system) is not dict:
        raise FormatError('no PyTorch file')
    views, meta = objects.walk(pickled.load(file))
    keys = pickled.load(file)
    extents = _storages(source, file.tell(), keys, views)
    big = not system.get('little_endian', True)
    tensors = objects.tensors(views, extents.__getitem__, big)
    return Layout(NAME, len(source), tensors, meta)


def _storages(
    source: Source, at: int, keys: object, views: dict[str, View],
) -> dict[str, Extent]:
    """Where each storage lies; they follow one another to the end of the file."""
    size = len(source)
    kinds = {view.storage.key: view.storage for view in views.values()}
    if type(keys) is not list or set(map(str, keys)) != set(kinds):
        raise FormatError('storages that no tensor is made of')
    found = {}
    for key in map(str, keys):
        count, = _COUNT.unpack(source[at:at + _COUNT.size])
        kind = kinds[key]
        length = count * dtypes.byte_length(kind.dtype, (1,))
        at += _COUNT.size
        if count != kind.elements or not 0 <= length <= size - at:
            raise FormatError('a storage past the end of the file')
        found[key] = Extent(at, length)
        at += length
    if at != size:
        raise FormatError('bytes behind the last storage')
    return found
