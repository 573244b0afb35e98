"""One object on disk, written: chunk after chunk, encoded on all cores."""
from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple
from typing import cast

from git_model_driver.store.ahead import Step
from git_model_driver.store.ahead import in_order
from git_model_driver.store.codec.form import BYTES
from git_model_driver.store.codec.zstd import Buffer
from git_model_driver.store.disk import write_all
from git_model_driver.store.encoder import TRIED
from git_model_driver.store.encoder import Encoder
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objectheader import ENCODED
from git_model_driver.store.objectheader import RAW
from git_model_driver.store.objectheader import UPDATED
from git_model_driver.store.objectheader import Header
from git_model_driver.store.objectheader import Row
from git_model_driver.store.objectheader import checksum
from git_model_driver.store.objectheader import pack
from git_model_driver.store.source import Span

_PARALLEL_FROM = 16 * CHUNK


class _Stored(NamedTuple):
    row: Row
    data: Buffer


def write_object(
    fd: int, nbytes: int, chunks: Iterable[memoryview], coder: Encoder | None,
    sums: Sequence[int] = (),
) -> None:
    """Write all; ``sums`` are those of the chunks where they are known already.

    Each of the chunks is done with before the next one is asked for.
    """
    codec = RAW if coder is None else UPDATED if coder.update else ENCODED
    header = Header(codec, CHUNK, nbytes)
    rows: list[Row] = []
    os.lseek(fd, header.data_at, os.SEEK_SET)
    for row, data in _all_stored(nbytes, chunks, coder, sums):
        rows.append(row)
        write_all(fd, data)
    if coder:
        header = header._replace(form=coder.form or BYTES, base=coder.base)
    os.pwrite(fd, pack(header, rows), 0)


def _all_stored(
    nbytes: int, chunks: Iterable[memoryview], coder: Encoder | None,
    sums: Sequence[int],
) -> Iterator[_Stored]:
    if coder and coder.update:
        data = coder.update.pack()
        sum_ = checksum(data)
        yield _Stored(Row(len(data), sum_, sum_stored=sum_), data)
    summed = (
        (raw, sums[i] if sums else checksum(raw)) for i, raw in enumerate(chunks)
    )
    if coder is None:
        yield from (_Stored(Row(len(raw), sum_), raw) for raw, sum_ in summed)
    elif nbytes < _PARALLEL_FROM:
        for i, (raw, sum_) in enumerate(summed):
            yield _encoded(coder, i, raw, sum_)
    else:
        for stored in in_order(_steps(coder, summed)):
            yield cast(_Stored, stored)


def _steps(
    coder: Encoder, summed: Iterable[tuple[memoryview, int]],
) -> Iterator[Step]:
    """The first chunks here and now: on them depends what is tried with the others."""
    for i, (raw, sum_) in enumerate(summed):
        if i < TRIED:
            done = _encoded(coder, i, memoryview(bytes(raw)), sum_)
            yield Step(partial(_same, done), False)
        else:
            own = memoryview(bytes(raw))
            yield Step(partial(_encoded, coder, i, own, sum_), True)


def _same(stored: _Stored) -> _Stored:
    return stored


def _encoded(coder: Encoder, i: int, raw: memoryview, sum_: int) -> _Stored:
    mode, parts = coder.encode(i, raw)
    data = b''.join(parts) if len(parts) > 1 else parts[0]
    return _Stored(Row(len(data), sum_, mode, checksum(data)), data)


def pieces(span: Span) -> Iterator[memoryview]:
    """The bytes of a span, a chunk at a time, in one buffer that is used again."""
    buffer = memoryview(bytearray(min(CHUNK, span.length)))
    for offset in range(0, span.length, CHUNK):
        piece = buffer[:min(CHUNK, span.length - offset)]
        span.readinto(offset, piece)
        yield piece
