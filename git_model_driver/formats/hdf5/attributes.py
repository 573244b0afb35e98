"""Attributes as text: ``str text``, ``S5[2] ["one","two"]``, ``I64 3``, ``>F32 2.5``.

A type, its shape in brackets where it is no scalar, and the value: a string as it
is, anything else as JSON. A type that begins with ``>`` is big-endian. What has no
text (references, compounds) is ``bytes`` and hexadecimal digits, or their length.
Source: HDF5 File Format Specification, IV.A.2.m and III.E.
"""
from __future__ import annotations

import json
import math
import struct
from typing import Any

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.formats.hdf5 import types
from git_model_driver.formats.hdf5.file import File
from git_model_driver.formats.hdf5.file import Message
from git_model_driver.formats.hdf5.types import Type

_FORMS = {
    'I8': 'b', 'U8': 'B', 'I16': 'h', 'U16': 'H', 'I32': 'i', 'U32': 'I',
    'I64': 'q', 'U64': 'Q', 'F16': 'e', 'F32': 'f', 'F64': 'd', 'BOOL': '?',
}
_LONGEST_BYTES = 64     # that are shown
_POINTER = 16           # bytes of a reference into the global heap


class Heaps:
    """The global heap: what variable-length strings point to."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._found: dict[int, dict[int, tuple[int, int]]] = {}

    def text(self, at: int) -> str:
        """The string that the pointer at ``at`` leads to."""
        file = self._file
        length, heap, index = (
            file.number(4, at), file.number(8, at + 4), file.number(4, at + 12),
        )
        if not length:
            return ''
        start, size = self._objects(heap).get(index, (0, 0))
        if length > size:
            raise FormatError('hdf5: a string outside its heap')
        return file.take(start, length).rstrip(b'\0').decode()

    def _objects(self, heap: int) -> dict[int, tuple[int, int]]:
        """Offset and length of each object in a collection, by its index."""
        if heap in self._found:
            return self._found[heap]
        file = self._file
        if file.take(heap, 4) != b'GCOL':
            raise FormatError('hdf5: no global heap')
        found = self._found[heap] = {}
        at, end = heap + 16, heap + file.number(8, heap + 8)
        while at + 16 <= end:
            index, length = file.number(2, at), file.number(8, at + 8)
            if not index:
                break
            found[index] = (at + 16, length)
            at += 16 + (length + 7 & ~7)
        return found


def attribute(file: File, message: Message, heaps: Heaps) -> tuple[str, str]:
    """The name and the text of the value."""
    at = message.at
    version, flags = file.number(1, at), file.number(1, at + 1)
    if not 1 <= version <= 3:
        raise FormatError('hdf5: a malformed attribute')
    lengths = [file.number(2, at + 2 + 2 * i) for i in range(3)]
    places = []
    at += 9 if version == 3 else 8
    for length in lengths:
        places.append(at)
        at += length + 7 & ~7 if version == 1 else length
    name = file.take(places[0], lengths[0]).rstrip(b'\0').decode()
    if version > 1 and flags & 3:
        return name, 'shared type'
    kind, shape = types.datatype(file, places[1]), types.dataspace(file, places[2])
    if shape is None:
        return name, f'{_word(kind)} null'
    if math.prod(shape) * kind.size > message.at + message.length - at:
        raise FormatError('hdf5: an attribute runs past its message')
    return name, _text(file, kind, shape, at, heaps)


def _text(
    file: File, kind: Type, shape: tuple[int, ...], at: int, heaps: Heaps,
) -> str:
    count = math.prod(shape)
    data = file.take(at, count * kind.size)
    items = _items(kind, count, data, at, heaps)
    if items is None:
        shown = data.hex() if len(data) <= _LONGEST_BYTES else str(len(data))
        return f'bytes {shown}'
    if shape:
        listed = json.dumps(items, ensure_ascii=False, separators=(',', ':'))
        return f'{_word(kind)}[{dtypes.format_shape(shape)}] {listed}'
    value = items[0]
    return f'{_word(kind)} {value if type(value) is str else json.dumps(value)}'


def _items(
    kind: Type, count: int, data: bytes, at: int, heaps: Heaps,
) -> list[Any] | None:
    if kind.word == types.TEXT and kind.size == _POINTER:
        return [heaps.text(at + _POINTER * i) for i in range(count)]
    if kind.word == types.STRING:
        parts = (data[i:i + kind.size] for i in range(0, len(data), kind.size))
        return [part.rstrip(b'\0').decode('utf-8', 'backslashreplace')
                for part in parts]
    if kind.word in _FORMS:
        order = '>' if kind.big else '<'
        return list(struct.unpack(f'{order}{count}{_FORMS[kind.word]}', data))
    return None


def _word(kind: Type) -> str:
    if kind.word == types.STRING:
        return f'S{kind.size}'
    return ('>' if kind.big else '') + (kind.word or 'bytes')
