"""Tables of sorted keys, as TensorFlow's and LevelDB's table_builder.cc write them.

A table is blocks, an index of the blocks, and a footer of 48 bytes; a block is
entries that share the beginnings of their keys, then a type byte and a checksum.
"""
from __future__ import annotations

import struct
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from git_model_driver.core import sums
from git_model_driver.core.errors import FormatError
from git_model_driver.formats.wire import packed
from git_model_driver.formats.wire import varint

FOOTER = 48
MAGIC = struct.pack('<Q', 0xdb4775248b80fb57)
_BLOCK, _RESTART = 262144, 16
_TRAILER = 5            # type and checksum
_U32 = struct.Struct('<I')


class Block(NamedTuple):
    start: int
    end: int            # of the contents; a type byte and a checksum follow


class Item(NamedTuple):
    key: bytes
    start: int          # of the value, in the table
    end: int
    block: Block


def items(table: bytes) -> list[Item]:
    """The entries in order. Raises FormatError."""
    if len(table) < FOOTER or table[-8:] != MAGIC:
        raise FormatError('no TensorFlow table')
    at, handles = len(table) - FOOTER, []
    found: list[Item] = []
    for _ in range(4):
        value, at = varint(table, at)
        handles.append(value)
    for entry in _entries(table, _block(table, handles[2], handles[3])):
        start, at = varint(table, entry.start)
        length, _ = varint(table, at)
        found += _entries(table, _block(table, start, length))
    keys = [item.key for item in found]
    if any(one >= other for one, other in pairwise(keys)):
        raise FormatError('the keys of a table are out of order')
    return found


def _block(table: bytes, start: int, length: int) -> Block:
    end = start + length
    if end + _TRAILER > len(table) or table[end]:
        raise FormatError('a block that is compressed, or past the end')
    if sums.of('crc32c', [table[start:end + 1]]) != _U32.unpack_from(table, end + 1)[0]:
        raise FormatError('the checksum of a block is wrong')
    return Block(start, end)


def _entries(table: bytes, block: Block) -> Iterator[Item]:
    restarts, = _U32.unpack_from(table, block.end - 4)
    at, limit, key = block.start, block.end - 4 - 4 * restarts, b''
    if limit < at:
        raise FormatError('a malformed block')
    while at < limit:
        shared, at = varint(table, at)
        rest, at = varint(table, at)
        length, at = varint(table, at)
        if shared > len(key) or at + rest + length > limit:
            raise FormatError('an entry past its block')
        key = key[:shared] + table[at:at + rest]
        at += rest
        yield Item(key, at, at + length, block)
        at += length


class _Builder:
    """A block, entry by entry."""

    def __init__(self, every: int) -> None:
        self.data = bytearray()
        self._every = every         # so many entries share a key's beginning
        self._restarts = [0]
        self._count = 0
        self.last = b''

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._count < self._every:
            shared = _common(key, self.last)
        else:
            self._restarts.append(len(self.data))
            self._count = 0
        head = packed(shared) + packed(len(key) - shared) + packed(len(value))
        self.data += head + key[shared:] + value
        self.last, self._count = key, self._count + 1

    @property
    def size(self) -> int:
        return len(self.data) + 4 * len(self._restarts) + 4

    def contents(self) -> bytes:
        numbers = (*self._restarts, len(self._restarts))
        return bytes(self.data) + struct.pack(f'<{len(numbers)}I', *numbers)


def _common(one: bytes, other: bytes) -> int:
    count = 0
    for a, b in zip(one, other):
        if a != b:
            break
        count += 1
    return count


def write(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The table of these sorted keys and values, byte for byte TensorFlow's own."""
    out, index, block = bytearray(), _Builder(1), _Builder(_RESTART)
    pending: bytes | None = None        # where the last block lies
    previous = b''
    for key, value in pairs:
        if pending is not None:
            index.add(_between(previous, key), pending)
            pending = None
        previous = key
        block.add(key, value)
        if block.size >= _BLOCK:
            pending, block = _emit(out, block), _Builder(_RESTART)
    if block.data:
        pending = _emit(out, block)
    meta = _emit(out, _Builder(_RESTART))
    if pending is not None:
        index.add(_after(previous), pending)
    footer = meta + _emit(out, index)
    return bytes(out) + footer.ljust(FOOTER - len(MAGIC), b'\0') + MAGIC


def _emit(out: bytearray, block: _Builder) -> bytes:
    """Write a block; returns its handle."""
    start, contents = len(out), block.contents()
    out += contents + b'\0'
    out += _U32.pack(sums.of('crc32c', [contents, b'\0']))
    return packed(start) + packed(len(contents))


def _between(low: bytes, high: bytes) -> bytes:
    """A short key from ``low`` on and below ``high``."""
    at = _common(low, high)
    if at < min(len(low), len(high)) and low[at] < 255 and low[at] + 1 < high[at]:
        return low[:at] + bytes([low[at] + 1])
    return low


def _after(key: bytes) -> bytes:
    """A short key from ``key`` on."""
    for at, byte in enumerate(key):
        if byte != 255:
            return key[:at] + bytes([byte + 1])
    return key
