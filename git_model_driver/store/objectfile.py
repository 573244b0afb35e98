r"""One object on disk: a header, a table of chunks, the chunks.

    offset  bytes
    0       8       b'\x89GMO\r\n\x1a\n'
    8       1       version, 1
    9       1       codec number (store.codec)
    10      2       0
    12      4       raw bytes per chunk but the last
    16      8       raw bytes of the object
    24      32      oid of the delta's base, or zeros
    56      8       xxh3-64 of the 56 bytes before and of the table
    64      16 n    per chunk: stored bytes, xxh3-64 of its raw bytes
    64+16n          the chunks

Integers are little-endian. The file's name is its oid, the SHA-256 of the raw
bytes, which is checked when the object is made, received and by fsck; the xxh3
sums are checked at every read.
"""
from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import xxhash

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.store import codec as codecs

CHUNK = 4 << 20
_PIECE = 512 << 10
_MAGIC = b'\x89GMO\r\n\x1a\n'
_VERSION = 1
_HEADER = struct.Struct('<8sBBHIQ32s')
_SUM = struct.Struct('<Q')
_ROW = struct.Struct('<QQ')
_TABLE_AT = _HEADER.size + _SUM.size

checksum = xxhash.xxh3_64_intdigest


class Header(NamedTuple):
    codec: int
    chunk: int
    nbytes: int
    base: bytes = bytes(32)

    @property
    def chunk_count(self) -> int:
        return -(-self.nbytes // self.chunk)

    @property
    def data_at(self) -> int:
        return _TABLE_AT + _ROW.size * self.chunk_count


def pack(header: Header, rows: Iterable[tuple[int, int]]) -> bytes:
    """Header and table; ``rows`` are (stored bytes, xxh3 of the raw bytes)."""
    head = _HEADER.pack(
        _MAGIC, _VERSION, header.codec, 0, header.chunk, header.nbytes, header.base,
    )
    table = b''.join(_ROW.pack(*row) for row in rows)
    return head + _SUM.pack(checksum(head + table)) + table


class ObjectFile:
    """An object opened for reading; use it as a context manager.

    Raises CorruptObject as soon as a byte of it is found to be wrong.
    """

    def __init__(self, path: Path, oid: Oid) -> None:
        self.path = path
        self.oid = oid
        self.fd = os.open(path, os.O_RDONLY)
        try:
            self.header, self._rows = self._read_table()
        except BaseException:
            os.close(self.fd)
            raise
        self.nbytes = self.header.nbytes
        self._codec = codecs.CODECS[self.header.codec]
        self._buffer = bytearray()
        self._cached: tuple[int, memoryview] | None = None

    def __enter__(self) -> ObjectFile:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self.fd)

    def _read_table(self) -> tuple[Header, list[tuple[int, int, int]]]:
        """The header, and (offset in the file, stored bytes, sum) per chunk."""
        head = os.pread(self.fd, _TABLE_AT, 0)
        if len(head) < _TABLE_AT or not head.startswith(_MAGIC):
            raise self.corrupt()
        _, version, codec, _, chunk, nbytes, base = _HEADER.unpack_from(head)
        if version != _VERSION or codec not in codecs.CODECS:
            raise StoreError(
                f"'{self.path}' was written by a newer git-model",
                'upgrade with "pip install --upgrade git-model-driver"',
            )
        size = os.fstat(self.fd).st_size
        if not chunk or -(-nbytes // chunk) * _ROW.size > size:
            raise self.corrupt()
        header = Header(codec, chunk, nbytes, base)
        table = os.pread(self.fd, header.data_at - _TABLE_AT, _TABLE_AT)
        expected = checksum(head[:_HEADER.size] + table)
        if (expected,) != _SUM.unpack_from(head, _HEADER.size):
            raise self.corrupt()
        return header, self._place(header, table, size)

    def _place(
        self, header: Header, table: bytes, size: int,
    ) -> list[tuple[int, int, int]]:
        rows, at = [], header.data_at
        for stored, xxh in _ROW.iter_unpack(table):
            rows.append((at, stored, xxh))
            at += stored
        if at != size:
            raise self.corrupt()
        return rows

    def corrupt(self) -> CorruptObject:
        return CorruptObject(
            f"the object {self.oid} in the store is damaged",
            'see what is affected with "git model fsck", '
            'mend it with "git model fsck --repair"',
        )

    @property
    def raw_at(self) -> int | None:
        """Where the raw bytes lie in the file in one piece, or None."""
        return self.header.data_at if self.header.codec == codecs.RAW.number else None

    def _chunk(self, i: int) -> memoryview:
        """The raw bytes of chunk i, checked; valid until the next call."""
        at, stored, expected = self._rows[i]
        if len(self._buffer) < stored:
            self._buffer = bytearray(stored)
        data = memoryview(self._buffer)[:stored]
        if os.preadv(self.fd, [data], at) != stored:
            raise self.corrupt()
        raw = memoryview(self._codec.decode(data))
        if len(raw) != self._raw_length(i) or checksum(raw) != expected:
            raise self.corrupt()
        return raw

    def chunks(self) -> Iterator[memoryview]:
        """The raw bytes in order; each piece is valid until the next is taken."""
        self._cached = None
        for i in range(len(self._rows)):
            yield self._chunk(i)

    def verify(self) -> None:
        """Read everything once. Raises CorruptObject."""
        if self.raw_at is None:
            for _ in self.chunks():
                pass
            return
        # Pieces that stay in the processor's cache: half the cost of whole chunks.
        buffer = memoryview(bytearray(min(_PIECE, self.nbytes)))
        for i, (at, stored, expected) in enumerate(self._rows):
            if stored != self._raw_length(i):
                raise self.corrupt()
            digest = xxhash.xxh3_64()
            for offset in range(0, stored, _PIECE):
                piece = buffer[:min(_PIECE, stored - offset)]
                if os.preadv(self.fd, [piece], at + offset) != len(piece):
                    raise self.corrupt()
                digest.update(piece)
            if digest.intdigest() != expected:
                raise self.corrupt()

    def _raw_length(self, i: int) -> int:
        return min(self.header.chunk, self.nbytes - i * self.header.chunk)

    def read(self, offset: int, length: int) -> bytes:
        """``length`` raw bytes from ``offset`` on (fewer at the end)."""
        pieces = []
        end = min(offset + length, self.nbytes)
        while offset < end:
            i, within = divmod(offset, self.header.chunk)
            if self._cached is None or self._cached[0] != i:
                self._cached = i, self._chunk(i)
            piece = bytes(self._cached[1][within:within + end - offset])
            pieces.append(piece)
            offset += len(piece)
        return b''.join(pieces)
