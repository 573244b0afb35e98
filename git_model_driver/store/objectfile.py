r"""One object on disk: a header, a table of chunks, the chunks.

    offset  bytes
    0       8       b'\x89GMO\r\n\x1a\n'
    8       1       version, 1
    9       1       codec: 0 raw, 1 encoded (store.codec.chunk)
    10      1       form of the elements (store.codec.form)
    11      1       0
    12      4       raw bytes per chunk but the last
    16      8       raw bytes of the object
    24      32      oid of the base, or zeros
    56      8       xxh3-64 of the 56 bytes before and of the table
    64              the table, a row per chunk
                    raw:      stored bytes (8), xxh3-64 of the raw bytes (8)
                    encoded:  stored bytes (4), mode (1), 0 (3), xxh3-64 of the raw
                              bytes (8), xxh3-64 of the stored bytes (8)
    ...             the chunks

Integers are little-endian. The file's name is its oid, the SHA-256 of the raw
bytes, which is checked when the object is made, received and by fsck; the xxh3
sums are checked at every read. A chunk of an encoded object may refer to the same
chunk of the base, another object of the store.
"""
from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import xxhash

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import digest_of
from git_model_driver.core.oid import from_digest
from git_model_driver.store.codec import chunk as chunks_
from git_model_driver.store.codec import form as forms

CHUNK = 1 << 20
RAW, ENCODED = 0, 1
_LARGEST_CHUNK = 16 << 20       # that is decoded in memory
_DEEPEST = 64                   # a chain that is longer was not made by us
_PIECE = 512 << 10
_MAGIC = b'\x89GMO\r\n\x1a\n'
_VERSION = 1
_HEADER = struct.Struct('<8sBBBxIQ32s')
_SUM = struct.Struct('<Q')
_ROWS = {RAW: struct.Struct('<QQ'), ENCODED: struct.Struct('<IB3xQQ')}
_TABLE_AT = _HEADER.size + _SUM.size
_NO_BASE = bytes(32)

checksum = xxhash.xxh3_64_intdigest


OpenBase = Callable[[Oid, int], 'ObjectFile']     # at that depth of a chain


class Header(NamedTuple):
    codec: int
    chunk: int
    nbytes: int
    form: forms.Form = forms.BYTES
    base: Oid | None = None

    @property
    def chunk_count(self) -> int:
        return -(-self.nbytes // self.chunk)

    @property
    def data_at(self) -> int:
        return _TABLE_AT + _ROWS[self.codec].size * self.chunk_count


class Row(NamedTuple):
    """A chunk: its bytes in the file, the sums of its raw and its stored bytes."""

    stored: int
    sum: int
    mode: int = chunks_.RAW
    sum_stored: int = 0


def pack(header: Header, rows: Iterable[Row]) -> bytes:
    """Header and table."""
    head = _HEADER.pack(
        _MAGIC, _VERSION, header.codec, header.form.code, header.chunk, header.nbytes,
        digest_of(header.base) if header.base else _NO_BASE,
    )
    row = _ROWS[header.codec]
    if header.codec == RAW:
        table = b''.join(row.pack(r.stored, r.sum) for r in rows)
    else:
        table = b''.join(
            row.pack(r.stored, r.mode, r.sum, r.sum_stored) for r in rows
        )
    return head + _SUM.pack(checksum(head + table)) + table


class ObjectFile:
    """An object opened for reading; use it as a context manager.

    ``open_base`` opens the base, if there is one and it is needed. Raises
    CorruptObject as soon as a byte is found to be wrong.
    """

    def __init__(
        self, path: Path, oid: Oid,
        open_base: OpenBase | None = None, depth: int = 0,
    ) -> None:
        self.path = path
        self.oid = oid
        self._open_base = open_base
        self._base: ObjectFile | None = None
        self._depth = depth
        self.fd = os.open(path, os.O_RDONLY)
        try:
            if depth > _DEEPEST:
                raise self.corrupt()
            self.header, self._rows, self._ends = self._read_table()
        except BaseException:
            os.close(self.fd)
            raise
        self.nbytes = self.header.nbytes
        self._lock = threading.Lock()
        self._cached: tuple[int, memoryview] | None = None

    def __enter__(self) -> ObjectFile:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self.fd)
        if self._base is not None:
            self._base.__exit__()

    @property
    def stored(self) -> int:
        """Bytes of the file."""
        return os.fstat(self.fd).st_size

    def _read_table(self) -> tuple[Header, list[Row], list[int]]:
        """The header, the rows, and where each chunk ends in the file."""
        head = os.pread(self.fd, _TABLE_AT, 0)
        if len(head) < _TABLE_AT or not head.startswith(_MAGIC):
            raise self.corrupt()
        _, version, codec, code, chunk, nbytes, digest = _HEADER.unpack_from(head)
        form = forms.from_code(code)
        if version != _VERSION or codec not in _ROWS or form is None:
            raise self._unknown(head)
        size = os.fstat(self.fd).st_size
        if not chunk or -(-nbytes // chunk) * _ROWS[codec].size > size:
            raise self.corrupt()
        base = None if digest == _NO_BASE else from_digest(digest)
        header = Header(codec, chunk, nbytes, form, base)
        table = os.pread(self.fd, header.data_at - _TABLE_AT, _TABLE_AT)
        expected = checksum(head[:_HEADER.size] + table)
        if (expected,) != _SUM.unpack_from(head, _HEADER.size):
            raise self.corrupt()
        return header, *self._place(header, table, size)

    def _unknown(self, head: bytes) -> StoreError:
        """What a newer version wrote, or ours but for the byte that says which."""
        ours = head[8] == _VERSION and head[9] in _ROWS
        if ours != any(map(self._is_ours, (
            head[:8] + bytes([_VERSION, codec]) + head[10:] for codec in _ROWS
        ))):
            return self.corrupt()
        return StoreError(
            f"'{self.path}' was written by a newer git-model",
            'upgrade with "pip install --upgrade git-model-driver"',
        )

    def _is_ours(self, head: bytes) -> bool:
        """Whether the sum of a header of this version and its table is right."""
        _, _, codec, _, chunk, nbytes, _ = _HEADER.unpack_from(head)
        size = -(-nbytes // (chunk or 1)) * _ROWS[codec].size
        table = os.pread(self.fd, min(size, self.stored), _TABLE_AT)
        sum_ = checksum(head[:_HEADER.size] + table)
        return (sum_,) == _SUM.unpack_from(head, _HEADER.size)

    def _place(
        self, header: Header, table: bytes, size: int,
    ) -> tuple[list[Row], list[int]]:
        rows, ends, at = [], [], header.data_at
        for values in _ROWS[header.codec].iter_unpack(table):
            row = _row(header.codec, values)
            rows.append(row)
            at += row.stored
            ends.append(at)
        if at != size or (header.codec == ENCODED and header.chunk > _LARGEST_CHUNK):
            raise self.corrupt()
        return rows, ends

    def corrupt(self) -> CorruptObject:
        return CorruptObject(
            f"the object {self.oid} in the store is damaged",
            'see what is affected with "git model fsck", '
            'mend it with "git model fsck --repair"', oid=self.oid,
        )

    @property
    def base(self) -> ObjectFile:
        """The base, opened. Raises MissingObject, CorruptObject."""
        with self._lock:
            if self._base is None:
                if self.header.base is None or self._open_base is None:
                    raise self.corrupt()
                self._base = self._open_base(self.header.base, self._depth + 1)
            return self._base

    @property
    def raw_at(self) -> int | None:
        """Where the raw bytes lie in the file in one piece, or None."""
        plain = all(row.mode == chunks_.RAW for row in self._rows)
        return self.header.data_at if plain else None

    def chunk(self, i: int) -> memoryview:
        """The raw bytes of chunk i, checked. Any number of threads may ask."""
        row = self._rows[i]
        data = os.pread(self.fd, row.stored, self._ends[i] - row.stored)
        if len(data) != row.stored or (
            # Some bits mean nothing to the decoder.
            row.mode != chunks_.RAW and checksum(data) != row.sum_stored
        ):
            raise self.corrupt()
        base = self.base.chunk_at(i, self.header.chunk) if (
            row.mode in chunks_.RELATIVE) else None
        try:
            raw = chunks_.decode(
                row.mode, memoryview(data), self._raw_length(i), self.header.form, base,
            )
        except ValueError:
            raise self.corrupt() from None
        if len(raw) != self._raw_length(i) or checksum(raw) != row.sum:
            raise self.corrupt()
        return raw

    def chunk_at(self, i: int, chunk: int) -> memoryview:
        """The raw bytes of chunk i if chunks had that length; empty past the end."""
        if chunk == self.header.chunk:
            return self.chunk(i) if i < len(self._rows) else memoryview(b'')
        return memoryview(self.read(i * chunk, chunk))

    def chunks(self) -> Iterator[memoryview]:
        """The raw bytes in order."""
        return map(self.chunk, range(len(self._rows)))

    @property
    def chunk_count(self) -> int:
        return len(self._rows)

    def verify(self) -> None:
        """Read what is stored once, without the base. Raises CorruptObject."""
        # Pieces that stay in the processor's cache: half the cost of whole chunks.
        buffer = memoryview(bytearray(_PIECE))
        for i, (row, end) in enumerate(zip(self._rows, self._ends)):
            if row.mode == chunks_.RAW and row.stored != self._raw_length(i):
                raise self.corrupt()
            digest = xxhash.xxh3_64()
            for offset in range(0, row.stored, _PIECE):
                piece = buffer[:min(_PIECE, row.stored - offset)]
                if os.preadv(self.fd, [piece], end - row.stored + offset) != len(piece):
                    raise self.corrupt()
                digest.update(piece)
            if digest.intdigest() != row.sum_stored:
                raise self.corrupt()

    def _raw_length(self, i: int) -> int:
        return min(self.header.chunk, self.nbytes - i * self.header.chunk)

    def read(self, offset: int, length: int) -> bytes:
        """``length`` raw bytes from ``offset`` on (fewer at the end)."""
        pieces = []
        end = min(offset + length, self.nbytes)
        while offset < end:
            i, within = divmod(offset, self.header.chunk)
            cached = self._cached       # it may be another thread's in a moment
            if cached is None or cached[0] != i:
                self._cached = cached = i, self.chunk(i)
            piece = bytes(cached[1][within:within + end - offset])
            pieces.append(piece)
            offset += len(piece)
        return b''.join(pieces)


def _row(codec: int, values: tuple[int, ...]) -> Row:
    if codec == RAW:
        stored, sum_ = values
        return Row(stored, sum_, chunks_.RAW, sum_)
    stored, mode, sum_, sum_stored = values
    return Row(stored, sum_, mode, sum_stored)
