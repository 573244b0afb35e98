"""What the .index file of a checkpoint says: BundleHeaderProto and BundleEntryProto.

Source: tensorflow/core/protobuf/tensor_bundle.proto.
"""
from __future__ import annotations

import math
from typing import NamedTuple

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.formats import wire
from git_model_driver.formats.tensorflow import table
from git_model_driver.formats.tensorflow.table import Block

_STRING = 7
_DTYPES = {
    1: 'F32', 2: 'F64', 3: 'I32', 4: 'U8', 5: 'I16', 6: 'I8', 8: 'C64', 9: 'I64',
    10: 'BOOL', 11: 'I8', 12: 'U8', 13: 'I32', 14: 'BF16', 15: 'I16', 16: 'U16',
    17: 'U16', 18: 'C128', 19: 'F16', 22: 'U32', 23: 'U64', 24: 'F8_E5M2',
    25: 'F8_E4M3',
}
_NUMBERS = {word: number for number, word in sorted(_DTYPES.items(), reverse=True)}
_MOST_SHARDS = 1 << 16
# One data file, little-endian, written by version 1 of the writer.
HEADER = b'\x08\x01\x1a\x02\x08\x01'


def word(number: int) -> str:
    """A DataType of TensorFlow's as a word."""
    return 'string' if number == _STRING else _DTYPES.get(number, f'type {number}')


class Variable(NamedTuple):
    """An entry that has data: its place is in the file of its shard."""

    key: bytes
    dtype: str
    shape: tuple[int, ...]
    shard: int
    extent: Extent
    kind: str           # of its checksum
    checksum: int
    checksum_at: int    # in the index
    block: Block


class Bundle(NamedTuple):
    shards: int
    variables: list[Variable]


def read(index: bytes) -> Bundle:
    """Take an index apart. Raises FormatError."""
    shards, variables = 1, []
    for item in table.items(index):
        if not item.key:
            shards = _header(index, item)
        elif (variable := _variable(index, item)) is not None:
            variables.append(variable)
    if not 1 <= shards <= _MOST_SHARDS or any(v.shard >= shards for v in variables):
        raise FormatError('an index of an impossible number of files')
    return Bundle(shards, variables)


def _header(index: bytes, item: table.Item) -> int:
    shards = 0
    for field in wire.fields(index, item.start, item.end):
        if field.number == 1:
            shards = field.value
        elif field.number == 2 and field.value:
            raise FormatError('a big-endian checkpoint')
    return shards


def _variable(index: bytes, item: table.Item) -> Variable | None:
    """None where the data are those of other entries, slices of this one."""
    found = {1: 0, 3: 0, 4: 0, 5: 0, 6: 0}
    shape: tuple[int, ...] = ()
    at = 0
    for field in wire.fields(index, item.start, item.end):
        if field.number == 2:
            shape = _shape(index, field)
        elif field.number == 7:
            return None
        elif field.number in found:
            found[field.number] = field.value
            at = field.start if field.number == 6 else at
    dtype, length = _DTYPES.get(found[1], 'BYTES'), found[5]
    if dtype == 'BYTES' or dtypes.byte_length(dtype, shape) != length:
        dtype, shape = 'BYTES', (length,)
    kind = 'strings' if found[1] == _STRING else 'crc32c'
    extent = Extent(found[4], length)
    return Variable(
        item.key, dtype, shape, found[3], extent, kind, found[6], at, item.block,
    )


def _shape(index: bytes, message: wire.Field) -> tuple[int, ...]:
    sizes = []
    for dim in wire.fields(index, message.start, message.end):
        if dim.number == 2:
            values = {f.number: f.value for f in wire.fields(index, dim.start, dim.end)}
            sizes.append(values.get(1, 0))
    if len(sizes) > 254 or math.prod(sizes) >> 63:
        raise FormatError('a variable of an impossible shape')
    return tuple(sizes)


def packed(dtype: str, shape: tuple[int, ...], offset: int, length: int) -> bytes:
    """An entry of the only data file; its checksum is 0. Raises FormatError."""
    if dtype not in _NUMBERS:
        raise FormatError(f"checkpoints cannot hold '{dtype}'")
    dims = b''
    for size in shape:
        dim = b'\x08' + wire.packed(size) if size else b''
        dims += b'\x12' + wire.packed(len(dim)) + dim
    entry = b'\x08' + wire.packed(_NUMBERS[dtype])
    entry += b'\x12' + wire.packed(len(dims)) + dims
    entry += b'\x20' + wire.packed(offset) if offset else b''
    entry += b'\x28' + wire.packed(length) if length else b''
    return entry + b'\x35' + bytes(4)
