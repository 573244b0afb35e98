"""Flax's msgpack files (flax.serialization), and those of others who write arrays so.

An array is an extension of type 1 that holds its shape, dtype and bytes. Names are
the keys that lead to it, joined by ``/``. An array above 1 GiB lies in several parts
(``__msgpack_chunked_array__``), each a tensor. Source: msgpack's spec.md.
"""
from __future__ import annotations

import json
from typing import Any

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor
from git_model_driver.formats.base import Source
from git_model_driver.formats.cursor import Cursor
from git_model_driver.formats.msgpack import ARRAY
from git_model_driver.formats.msgpack import EXTENSION
from git_model_driver.formats.msgpack import MAP
from git_model_driver.formats.msgpack import Reader

NAME = 'flax'
_NDARRAY, _COMPLEX, _SCALAR = 1, 2, 3
_DEEPEST = 64
_DTYPES = {
    'float32': 'F32', 'float64': 'F64', 'float16': 'F16', 'bfloat16': 'BF16',
    'V2': 'BF16', 'int8': 'I8', 'int16': 'I16', 'int32': 'I32', 'int64': 'I64',
    'uint8': 'U8', 'uint16': 'U16', 'uint32': 'U32', 'uint64': 'U64', 'bool': 'BOOL',
    'complex64': 'C64', 'complex128': 'C128', 'float8_e4m3fn': 'F8_E4M3',
    'float8_e5m2': 'F8_E5M2',
}


def sniff(head: bytes, size: int) -> bool:
    return head[:1] in (b'\xde', b'\xdf') or (bool(head) and 0x80 < head[0] < 0x90)


def read(source: Source) -> Layout:
    reader = Reader(Cursor(source))
    walk = _Walk(reader)
    walk.item('', 0)
    if reader.left or not walk.tensors:
        raise FormatError('no arrays, or bytes behind them')
    if len({tensor.name for tensor in walk.tensors}) != len(walk.tensors):
        raise FormatError('two arrays of one name')
    return Layout(NAME, len(source), tuple(walk.tensors), walk.meta)


class _Walk:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.tensors: list[Tensor] = []
        self.meta: dict[str, str] = {}

    def item(self, path: str, depth: int) -> None:
        """Take in the next value, whatever it is."""
        if depth > _DEEPEST:
            raise FormatError('msgpack: too deep')
        kind, value = self._reader.next()
        if kind == MAP:
            for _ in range(value):
                self.item(_joined(path, self._reader.key()), depth + 1)
        elif kind == ARRAY:
            for i in range(value):
                self.item(_joined(path, i), depth + 1)
        elif kind == EXTENSION:
            self._extension(path, *value)
        else:
            self._note(path, value)

    def _extension(self, path: str, number: int, end: int) -> None:
        if number == _NDARRAY:
            self.tensors.append(self._array(path, end))
        else:
            self._note(path, f'extension {number} of {end - self._reader.at} bytes')
        self._reader.skip_to(end)

    def _array(self, path: str, end: int) -> Tensor:
        reader = self._reader
        if reader.next() != (ARRAY, 3):
            raise FormatError('msgpack: a malformed array')
        kind, axes = reader.next()
        shape = tuple(reader.key() for _ in range(axes)) if kind == ARRAY else ('?',)
        word = _DTYPES.get(str(reader.key()))
        start, length = reader.binary()
        if start + length != end or any(type(n) is not int or n < 0 for n in shape):
            raise FormatError('msgpack: a malformed array')
        extent = Extent(start, length)
        if word is None or dtypes.byte_length(word, shape) != length:
            return Tensor(path, 'BYTES', (length,), extent)
        return Tensor(path, word, shape, extent)

    def _note(self, path: str, value: Any) -> None:
        if path in self.meta:
            raise FormatError('msgpack: two values of one name')
        self.meta[path] = json.dumps(value, ensure_ascii=False)


def _joined(path: str, key: Any) -> str:
    name = str(key)
    return f'{path}/{name}' if path else name
