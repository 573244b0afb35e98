"""An HDF5 file: where it begins, and bounded reads of its metadata.

Source: HDF5 File Format Specification 3.0, sections II and IV.A.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core.errors import FormatError
from git_model_driver.formats.base import Source

SIGNATURE = b'\x89HDF\r\n\x1a\n'
UNDEFINED = (1 << 64) - 1
_PAGE = 1 << 14
_MOST_READ = 1 << 28        # bytes of metadata, repetitions included
_MOST_BLOCKS = 1 << 12      # of one object header
_USERBLOCKS = (0, *(512 << k for k in range(20)))
_CONTINUATION = 16


class Message(NamedTuple):
    """A header message: its data at ``at``, relative to the base address."""

    kind: int
    shared: bool
    at: int
    length: int
    summed: bool        # a checksum of the header covers it


class File:
    """Reads at addresses relative to ``base``. Raises FormatError past the end."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pages: dict[int, bytes] = {}
        self._spent = 0
        self.base = _signature_at(source)
        self.size = len(source) - self.base
        self.root = self._root()

    def take(self, at: int, length: int) -> bytes:
        self.check(at, length)
        self._spent += length
        if self._spent > _MOST_READ:
            raise FormatError('hdf5: more metadata than a model has')
        first, start = divmod(at, _PAGE)
        if start + length <= _PAGE:
            return self._page(first)[start:start + length]
        at += self.base
        return bytes(self._source[at:at + length])

    def check(self, at: int, length: int) -> None:
        """Raise FormatError unless these bytes lie in the file."""
        if at < 0 or length < 0 or at + length > self.size:
            raise FormatError('hdf5: an address past the end of the file')

    def _page(self, number: int) -> bytes:
        page = self._pages.get(number)
        if page is None:
            at = self.base + number * _PAGE
            page = self._pages[number] = bytes(self._source[at:at + _PAGE])
        return page

    def number(self, width: int, at: int) -> int:
        return int.from_bytes(self.take(at, width), 'little')

    def _root(self) -> int:
        """The address of the root group's object header."""
        version = self.number(1, 8)
        if version > 3:
            raise FormatError(f'hdf5: superblock version {version}')
        widths = self.take(13 if version < 2 else 9, 2)
        if widths != b'\x08\x08':
            raise FormatError('hdf5: offsets or lengths are not of 8 bytes')
        base_at = (24, 28, 12, 12)[version]
        if self.number(8, base_at) not in (0, self.base):
            raise FormatError('hdf5: another base address')
        return self.number(8, base_at + (40 if version < 2 else 24))

    def messages(self, address: int) -> Iterator[Message]:
        """The messages of an object header, continuations included."""
        modern = self.take(address, 4) == b'OHDR'
        flags, blocks = self._first_block(address, modern)
        seen: set[int] = set()
        while blocks:
            at, length = blocks.pop(0)
            if at in seen or len(seen) > _MOST_BLOCKS:
                raise FormatError('hdf5: an object header that never ends')
            seen.add(at)
            self.check(at, length)
            for message in self._block(at, at + length, modern, flags):
                if message.kind == _CONTINUATION:
                    blocks.append(self._continued(message))
                elif message.kind:
                    yield message

    def _first_block(self, at: int, modern: bool) -> tuple[int, list[tuple[int, int]]]:
        if not modern:
            if self.number(1, at) != 1:
                raise FormatError('hdf5: no object header')
            return 0, [(at + 16, self.number(4, at + 8))]
        flags = self.number(1, at + 5)
        start = at + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        return flags, [(start + width, self.number(width, start))]

    def _continued(self, message: Message) -> tuple[int, int]:
        at, length = self.number(8, message.at), self.number(8, message.at + 8)
        # A block of a modern header has a signature before and a checksum behind it.
        return (at + 4, length - 8) if message.summed else (at, length)

    def _block(
        self, at: int, end: int, modern: bool, flags: int,
    ) -> Iterator[Message]:
        head = (6 if flags & 4 else 4) if modern else 8
        while at + head <= end:
            raw = self.take(at, 6)
            if modern:
                kind, bits = raw[0], raw[3]
                length = int.from_bytes(raw[1:3], 'little')
            else:
                kind, bits = int.from_bytes(raw[:2], 'little'), raw[4]
                length = int.from_bytes(raw[2:4], 'little')
            at += head
            if at + length > end:
                raise FormatError('hdf5: a message runs past its header')
            yield Message(kind, bool(bits & 2), at, length, modern)
            at += length


def _signature_at(source: Source) -> int:
    for at in _USERBLOCKS:
        if at + 8 > len(source):
            break
        if bytes(source[at:at + 8]) == SIGNATURE:
            return at
    raise FormatError('hdf5: no signature')
