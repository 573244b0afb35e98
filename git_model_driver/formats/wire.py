"""Protocol Buffers' wire format, enough to walk a message whose schema is known.

Source: protobuf.dev/programming-guides/encoding. All raise FormatError.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core.errors import FormatError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 64        # bits


class Field(NamedTuple):
    """A field: its number, wire type, value, and where the value lies.

    The value of BYTES is its length.
    """

    number: int
    kind: int
    value: int
    start: int
    end: int


def varint(data: bytes, at: int) -> tuple[int, int]:
    """An integer, and where it ends."""
    value = shift = 0
    while at < len(data) and shift < _LONGEST_VARINT:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise FormatError('protobuf: a malformed number')


def packed(value: int) -> bytes:
    """An integer as ``varint`` reads it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields of the message at ``start`` to ``end``."""
    at, end = start, len(data) if end is None else end
    while at < end:
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        first = at
        if kind == VARINT:
            value, at = varint(data, at)
        elif kind == BYTES:
            value, first = varint(data, at)
            at = first + value
        elif kind in (FIXED32, FIXED64):
            at += 4 if kind == FIXED32 else 8
            value = int.from_bytes(data[first:at], 'little')
        else:
            raise FormatError(f'protobuf: wire type {kind}')
        if not number or at > end:
            raise FormatError('protobuf: a field runs past its message')
        yield Field(number, kind, value, first, at)


def signed(value: int) -> int:
    """An int64 of what was read."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
