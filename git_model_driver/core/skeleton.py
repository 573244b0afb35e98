r"""The skeleton: a file with its extents cut out, and where they go.

    git-model skeleton v1\n
    [["bytes",128],["tensor","w",400],["crc32",30,558],...]\n
    <the literal bytes, joined>

``bytes`` takes the next n literal bytes, ``tensor`` the extent of the tensor of
that name, ``crc32`` and ``crc32c`` the checksum (core.sums) of the file's bytes from
an offset on, so many of them; ``crc32c-of`` and ``strings-of`` that of a tensor which
lies in another file. A checksum of a tensor is therefore never part of the skeleton,
and a change of values does not change it.
"""
from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple
from typing import Union

from git_model_driver.core import sums
from git_model_driver.core.errors import FormatError

FIRST_LINE = b'git-model skeleton v1\n'


class Literal(NamedTuple):
    offset: int         # into the skeleton's literal bytes
    length: int


class Slot(NamedTuple):
    name: str           # of the tensor whose extent goes here
    length: int


class RangeSum(NamedTuple):
    kind: str           # of core.sums
    offset: int         # of the covered bytes, in the file
    covered: int        # how many
    length: int = sums.LENGTH


class SumOf(NamedTuple):
    kind: str
    name: str           # of the tensor
    length: int = sums.LENGTH


Segment = Union[Literal, Slot, RangeSum, SumOf]


class Skeleton(NamedTuple):
    segments: tuple[Segment, ...]
    literals: memoryview

    def literal(self, segment: Literal) -> memoryview:
        return self.literals[segment.offset:segment.offset + segment.length]

    @property
    def size(self) -> int:
        """Bytes of the file that the skeleton describes."""
        return sum(segment.length for segment in self.segments)


def cut(skeleton: Skeleton, start: int, end: int) -> Iterator[Union[bytes, Slot]]:
    """The parts of the file from ``start`` to ``end``.

    Raises FormatError where that cuts a tensor, or holds a checksum.
    """
    at = 0
    for segment in skeleton.segments:
        first, last = max(start - at, 0), min(end - at, segment.length)
        if isinstance(segment, Literal) and first < last:
            yield bytes(skeleton.literal(segment)[first:last])
        elif first < last:
            if not isinstance(segment, Slot) or (first, last) != (0, segment.length):
                raise FormatError('a part of the file that cannot be cut out')
            yield segment
        at += segment.length


class Blank:
    """The file that a skeleton describes, all tensors and checksums zeros."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._starts = [0, *accumulate(s.length for s in skeleton.segments)]

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, where: slice) -> bytes:
        start, stop, _ = where.indices(len(self))
        out = bytearray()
        i = max(0, bisect_right(self._starts, start) - 1)
        while i < len(self._skeleton.segments) and self._starts[i] < stop:
            segment, at = self._skeleton.segments[i], self._starts[i]
            first, last = max(start - at, 0), min(stop - at, segment.length)
            if isinstance(segment, Literal):
                out += self._skeleton.literal(segment)[first:last]
            else:
                out += bytes(last - first)
            i += 1
        return bytes(out)


class Builder:
    """Collects the parts of a file in their order; what is literal runs together.

    One file has one skeleton therefore, whether it was cut out or written anew.
    """

    def __init__(self) -> None:
        self.size = 0           # bytes of the file so far
        self._segments: list[Segment] = []
        self._literals = bytearray()

    def add(self, part: Union[bytes, Slot, RangeSum, SumOf]) -> None:
        if isinstance(part, bytes):
            self._add_literal(part)
            self.size += len(part)
        else:
            self._segments.append(part)
            self.size += part.length

    def _add_literal(self, data: bytes) -> None:
        if self._segments and isinstance(self._segments[-1], Literal):
            offset, length = self._segments[-1]
            self._segments[-1] = Literal(offset, length + len(data))
        elif data:
            self._segments.append(Literal(len(self._literals), len(data)))
        self._literals += data

    def serialize(self) -> bytes:
        return serialize(self._segments, bytes(self._literals))


def serialize(segments: Iterable[Segment], literals: bytes) -> bytes:
    rows: list[list[object]] = []
    for segment in segments:
        if isinstance(segment, Literal):
            rows.append(['bytes', segment.length])
        elif isinstance(segment, Slot):
            rows.append(['tensor', segment.name, segment.length])
        elif isinstance(segment, RangeSum):
            rows.append([segment.kind, segment.offset, segment.covered])
        else:
            rows.append([f'{segment.kind}-of', segment.name])
    table = json.dumps(rows, separators=(',', ':'))
    return FIRST_LINE + table.encode() + b'\n' + literals


def parse(data: bytes) -> Skeleton:
    """Inverse of serialize. Raises FormatError for anything else."""
    start = len(FIRST_LINE)
    end = data.find(b'\n', start)
    if not data.startswith(FIRST_LINE) or end < 0:
        raise FormatError('not a skeleton of version 1')
    literals = memoryview(data)[end + 1:]
    try:
        segments = _segments(json.loads(data[start:end]))
    except (ValueError, TypeError, RecursionError) as e:
        raise FormatError(f'damaged skeleton: {e}') from None
    if sum(s.length for s in segments if isinstance(s, Literal)) != len(literals):
        raise FormatError('damaged skeleton: its literal bytes do not add up')
    return Skeleton(segments, literals)


def _segments(rows: object) -> tuple[Segment, ...]:
    if not isinstance(rows, list):
        raise ValueError('no list')
    segments: list[Segment] = []
    literal = 0
    for kind, *rest in rows:
        if kind == 'bytes':
            (length,) = map(_count, rest)
            segments.append(Literal(literal, length))
            literal += length
        elif kind == 'tensor':
            name, nbytes = rest
            segments.append(Slot(_name(name), _count(nbytes)))
        elif kind in sums.KINDS:
            offset, covered = map(_count, rest)
            segments.append(RangeSum(kind, offset, covered))
        elif isinstance(kind, str) and kind.removesuffix('-of') in sums.KINDS:
            (of,) = map(_name, rest)
            segments.append(SumOf(kind.removesuffix('-of'), of))
        else:
            raise ValueError(f'unknown segment {kind!r}')
    return tuple(segments)


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f'{value!r} is no name')
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f'{value!r} is no length')
    return value
