"""One object on disk, read (store.objectheader says what is where)."""
from __future__ import annotations

import os
import threading
from collections.abc import Callable
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash

from git_model_driver.core.errors import Changed
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.store import objectheader
from git_model_driver.store.codec import modes
from git_model_driver.store.objectheader import TABLE_AT
from git_model_driver.store.objectheader import UPDATED
from git_model_driver.store.objectheader import Header
from git_model_driver.store.objectheader import Row
from git_model_driver.store.objectheader import checksum
from git_model_driver.store.source import Span

if TYPE_CHECKING:
    from git_model_driver.store.codec.update import Update

CHUNK = 1 << 20
DEEPEST = 64                   # a chain that is longer was not made by us
_PIECE = 512 << 10
_LARGEST_UPDATE = 1 << 30

OpenBase = Callable[[Oid, int], 'ObjectFile']     # at that depth of a chain


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
            if depth > DEEPEST:
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
        """The header, the rows, and where in the file what they are of ends."""
        head = os.pread(self.fd, TABLE_AT, 0)
        size = os.fstat(self.fd).st_size
        try:
            header = objectheader.parse(head, size)
            table = os.pread(self.fd, header.data_at - TABLE_AT, TABLE_AT)
            rows = objectheader.parse_table(header, head, table)
        except ValueError:
            raise self.corrupt() from None
        except objectheader.Newer:
            raise self._unknown(head) from None
        stored = (row.stored for row in rows)
        ends = list(accumulate(stored, initial=header.data_at))
        if len(rows) != header.row_count or ends[-1] != size:
            raise self.corrupt()
        return header, rows, ends[1:]

    def _unknown(self, head: bytes) -> StoreError:
        """What a newer version wrote, or ours but for the byte that says which."""
        table = os.pread(self.fd, self.stored, TABLE_AT)
        if objectheader.is_damaged(head, table):
            return self.corrupt()
        return StoreError(
            f"'{self.path}' was written by a newer git-model",
            'upgrade with "pip install --upgrade git-model-driver"',
        )

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
        plain = self.header.codec != UPDATED and all(
            row.mode == modes.RAW for row in self._rows
        )
        return self.header.data_at if plain else None

    @cached_property
    def _first(self) -> int:
        """The row of the first chunk: that of the update comes before."""
        return int(self.header.codec == UPDATED)

    @cached_property
    def _update(self) -> Update:
        from git_model_driver.store.codec import update as updates  # 3 ms; few have one

        row = self._rows[0]
        if row.stored > _LARGEST_UPDATE:
            raise self.corrupt()
        data = self._stored(0)
        try:
            update = updates.unpack(data)
        except ValueError:
            raise self.corrupt() from None
        if checksum(data) != row.sum or update.matrix.nbytes != self.nbytes:
            raise self.corrupt()
        return update

    def _stored(self, row: int) -> bytes:
        length = self._rows[row].stored
        data = os.pread(self.fd, length, self._ends[row] - length)
        if len(data) != length:
            raise self.corrupt()
        return data

    def _predicted(self, i: int) -> memoryview:
        """What chunk i is a difference from."""
        base = self.base.chunk_at(i, self.header.chunk)
        if not self._first:
            return base
        if len(base) != self._raw_length(i):
            raise self.corrupt()
        with self._lock:
            update = self._update
        return update.predict(base, i * self.header.chunk // update.matrix.width)

    def chunk(self, i: int) -> memoryview:
        """The raw bytes of chunk i, checked. Any number of threads may ask."""
        # Not before it is needed, 2 ms: who links objects decodes none.
        from git_model_driver.store.codec import chunk as chunks

        row = self._rows[self._first + i]
        data = memoryview(self._stored(self._first + i))
        if row.mode != modes.RAW and checksum(data) != row.sum_stored:
            raise self.corrupt()    # some bits mean nothing to the decoder
        base = self._predicted(i) if row.mode in modes.RELATIVE else None
        try:
            raw = chunks.decode(
                row.mode, data, self._raw_length(i), self.header.form, base,
            )
        except ValueError:
            raise self.corrupt() from None
        if len(raw) != self._raw_length(i) or checksum(raw) != row.sum:
            raise self.corrupt()
        return raw

    def chunk_at(self, i: int, chunk: int) -> memoryview:
        """The raw bytes of chunk i if chunks had that length; empty past the end."""
        if chunk != self.header.chunk:
            return memoryview(self.read(i * chunk, chunk))
        if i >= self.chunk_count:
            return memoryview(b'')
        cached = self._cached
        return cached[1] if cached and cached[0] == i else self.chunk(i)

    def chunks(self) -> Iterator[memoryview]:
        """The raw bytes in order."""
        return map(self.chunk, range(self.chunk_count))

    def chunks_from(self, span: Span) -> Iterator[memoryview]:
        """As ``chunks``, without decoding what lies there as it was stored."""
        buffer = memoryview(bytearray(min(self.header.chunk, self.nbytes)))
        for i in range(self.chunk_count):
            piece = buffer[:self._raw_length(i)]
            yield piece if self._lies_in(span, i, piece) else self.chunk(i)

    def _lies_in(self, span: Span, i: int, into: memoryview) -> bool:
        try:
            span.readinto(i * self.header.chunk, into)
        except Changed:
            return False
        return bool(checksum(into) == self._rows[self._first + i].sum)

    @property
    def chunk_count(self) -> int:
        return self.header.chunk_count

    def verify(self) -> None:
        """Read what is stored once, without the base. Raises CorruptObject."""
        for _ in self.pieces():
            pass

    def pieces(self) -> Iterator[memoryview]:
        """The file as it is, in one buffer that is used again, without the base.

        Raises CorruptObject before the last piece of a chunk that is damaged.
        """
        yield memoryview(os.pread(self.fd, self.header.data_at, 0))
        # Pieces that stay in the processor's cache: half the cost of whole chunks.
        buffer = memoryview(bytearray(_PIECE))
        for i, (row, end) in enumerate(zip(self._rows, self._ends)):
            chunk = i - self._first
            plain = row.mode == modes.RAW and chunk >= 0
            if plain and row.stored != self._raw_length(chunk):
                raise self.corrupt()
            digest = xxhash.xxh3_64()
            for left in range(row.stored, 0, -_PIECE):
                piece = buffer[:min(_PIECE, left)]
                if os.preadv(self.fd, [piece], end - left) != len(piece):
                    raise self.corrupt()
                digest.update(piece)
                if left <= _PIECE and digest.intdigest() != row.sum_stored:
                    raise self.corrupt()
                yield piece

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

