r"""How an object begins on disk: a header, and a table of what follows.

    offset  bytes
    0       8       b'\x89GMO\r\n\x1a\n'
    8       1       version, 1
    9       1       codec: 0 raw, 1 encoded (store.codec.modes), 2 encoded, and the base
                    with an update (store.codec.update), the first row of the table
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
    ...             what the rows are of

Integers are little-endian. The file's name is its oid, the SHA-256 of the raw
bytes, which is checked when the object is made, received and by fsck; the xxh3
sums are checked at every read. A chunk of an encoded object may refer to the same
chunk of the base, another object of the store.
"""
from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

import xxhash

from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import digest_of
from git_model_driver.core.oid import from_digest
from git_model_driver.store.codec import form as forms
from git_model_driver.store.codec import modes

RAW, ENCODED, UPDATED = 0, 1, 2
_LARGEST_CHUNK = 16 << 20       # that is decoded in memory
_MAGIC = b'\x89GMO\r\n\x1a\n'
_VERSION = 1
_HEADER = struct.Struct('<8sBBBxIQ32s')
_SUM = struct.Struct('<Q')
_ROWS = {
    RAW: struct.Struct('<QQ'), ENCODED: struct.Struct('<IB3xQQ'),
    UPDATED: struct.Struct('<IB3xQQ'),
}
TABLE_AT = _HEADER.size + _SUM.size
_NO_BASE = bytes(32)

checksum = xxhash.xxh3_64_intdigest


class Newer(Exception):
    """The header is of a version or codec that this program does not know."""


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
    def row_count(self) -> int:
        return self.chunk_count + (self.codec == UPDATED)

    @property
    def data_at(self) -> int:
        return TABLE_AT + _ROWS[self.codec].size * self.row_count


class Row(NamedTuple):
    """A chunk: its bytes in the file, the sums of its raw and its stored bytes."""

    stored: int
    sum: int
    mode: int = modes.RAW
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


def parse(head: bytes, size: int) -> Header:
    """The header in the first TABLE_AT bytes of a file of that size.

    Raises ValueError where it is none, Newer. Its checksum is not yet known.
    """
    if len(head) < TABLE_AT or not head.startswith(_MAGIC):
        raise ValueError('no object')
    _, version, codec, code, chunk, nbytes, digest = _HEADER.unpack_from(head)
    form = forms.from_code(code)
    if version != _VERSION or codec not in _ROWS or form is None:
        raise Newer
    if not chunk or -(-nbytes // chunk) * _ROWS[codec].size > size:
        raise ValueError('more chunks than the file has room for')
    if codec != RAW and chunk > _LARGEST_CHUNK:
        raise ValueError('chunks that are too large')
    base = None if digest == _NO_BASE else from_digest(digest)
    return Header(codec, chunk, nbytes, form, base)


def is_damaged(head: bytes, rest: bytes) -> bool:
    """Whether a header that ``parse`` took for a newer one's is a damaged one of ours.

    ``rest`` is what follows it. The sum of ours is right with the right byte in the
    place of version or codec; that of another form of ours is right as it is.
    """
    ours = head[8] == _VERSION and head[9] in _ROWS
    return ours != any(
        _has_right_sum(head[:8] + bytes([_VERSION, codec]) + head[10:], rest)
        for codec in _ROWS
    )


def _has_right_sum(head: bytes, rest: bytes) -> bool:
    _, _, codec, _, chunk, nbytes, _ = _HEADER.unpack_from(head)
    size = Header(codec, chunk or 1, nbytes).data_at - TABLE_AT
    sum_ = checksum(head[:_HEADER.size] + rest[:size])
    return (sum_,) == _SUM.unpack_from(head, _HEADER.size)


def parse_table(header: Header, head: bytes, table: bytes) -> list[Row]:
    """The rows. Raises ValueError where header or table are damaged."""
    expected = checksum(head[:_HEADER.size] + table)
    if (expected,) != _SUM.unpack_from(head, _HEADER.size):
        raise ValueError('the sum of header and table is another')
    return [_row(header.codec, v) for v in _ROWS[header.codec].iter_unpack(table)]


def _row(codec: int, values: tuple[int, ...]) -> Row:
    if codec == RAW:
        stored, sum_ = values
        return Row(stored, sum_, modes.RAW, sum_)
    stored, mode, sum_, sum_stored = values
    return Row(stored, sum_, mode, sum_stored)
