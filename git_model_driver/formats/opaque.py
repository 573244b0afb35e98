"""Files that no reader understands: cut into pieces where their content says so.

A cut depends on the 16 bytes before it only, so that an insertion moves the cuts
with it and the pieces around it stay the same objects. Pieces have 256 KiB to
4 MiB, about 1.2 MiB on average for random bytes.

A position is a candidate where a mix of its last four bytes is 0x5b modulo 256,
and a cut where a hash of its last 16 bytes has twelve leading zeros besides: the
cheap test spares the other for all but one position in 256. The factors of the mix
add up to an even number and 0x5b is odd: a run of one value has no candidate.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from git_model_driver.core.layout import Extent
from git_model_driver.formats.base import Source

SHORTEST = 256 << 10
LONGEST = 4 << 20
_BLOCK = 1 << 20
_WINDOW = 16
_MIX = (0x9d, 0x65, 0x2b, 0x01)     # odd: every byte of the four counts
_CANDIDATE = 0x5b
_FIRST, _LAST = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f
_FOLD = 0x165667b19e3779f9


def pieces(source: Source) -> Iterator[Extent]:
    """The pieces of a file in order; none for an empty file."""
    size = len(source)
    start = 0
    if size > SHORTEST:
        for cut in _cuts(source):
            while cut - start > LONGEST:
                yield Extent(start, LONGEST)
                start += LONGEST
            if cut - start >= SHORTEST:
                yield Extent(start, cut - start)
                start = cut
    while start < size:
        length = min(LONGEST, size - start)
        yield Extent(start, length)
        start += length


def _cuts(source: Source) -> Iterator[int]:
    """Offsets at which the content allows a cut."""
    size = len(source)
    for offset in range(0, size, _BLOCK):
        begin = max(0, offset - _WINDOW)
        block = source[begin:min(size, offset + _BLOCK)]
        for position in _positions(block):
            if begin + position > offset:
                yield begin + position


def _positions(block: bytes | memoryview) -> list[int]:
    import numpy

    data = numpy.frombuffer(block, numpy.uint8)
    if len(data) < _WINDOW:
        return []
    mixed = _mix(data)
    ends = numpy.flatnonzero(mixed == _CANDIDATE) + len(_MIX)
    ends = ends[ends >= _WINDOW]
    words = numpy.ndarray((len(data) - 7,), '<u8', data, strides=(1,))
    value = words[ends - 16] * numpy.uint64(_FIRST)
    value ^= words[ends - 8] * numpy.uint64(_LAST)
    value = (value ^ (value >> numpy.uint64(32))) * numpy.uint64(_FOLD)
    cuts: list[int] = ends[value >> numpy.uint64(52) == 0].tolist()
    return cuts


def _mix(data: Any) -> Any:
    """A weighted sum, modulo 256, of each byte and the three after it."""
    import numpy

    count = len(data) - len(_MIX) + 1
    total = numpy.zeros(count, numpy.uint8)
    for i, factor in enumerate(_MIX):
        total += data[i:i + count] * numpy.uint8(factor)
    return total
