"""Merging the values of one tensor, block by block."""
from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import repeat
from typing import Any
from typing import NamedTuple
from typing import Optional

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import numbers
from git_model_driver.core.manifest import Entry
from git_model_driver.core.numbers import same_bits
from git_model_driver.formats import values
from git_model_driver.merging.methods import METHODS
from git_model_driver.merging.rules import Choice
from git_model_driver.store.batch import Batch
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store

_COMPRESSION = frozenset({'bytes', 'encoding'})
_NOT_OF_ELEMENTS = _COMPRESSION | {'endian'}


class Unsettled(Exception):
    """The values cannot be combined; the message says why."""


class Trio(NamedTuple):
    """A tensor on the three sides; base is None where it was added on both."""

    base: Optional[Entry]
    ours: Entry
    theirs: Entry

    def present(self) -> list[Entry]:
        return [entry for entry in self if entry is not None]


def merge(trio: Trio, choice: Choice, store: Store, batch: Batch) -> Entry:
    """Combine by the chosen method, store the result, return its entry.

    Raises Unsettled where that makes no sense, MissingObject and CorruptObject.
    """
    _check(trio, choice)
    if not METHODS[choice.method].NEEDS_BASE:
        trio = trio._replace(base=None)     # it need not even be here
    with ExitStack() as stack:
        files = [
            stack.enter_context(store.open(entry.oid)) if entry else None
            for entry in trio
        ]
        oid = batch.put_stream(_nbytes(trio.ours), _blocks(trio, choice, files))
    # What was compressed is stored: deflating would depend on the zlib at hand.
    extra = tuple(pair for pair in trio.ours.extra if pair[0] not in _COMPRESSION)
    return trio.ours._replace(oid=oid, extra=extra)


def _nbytes(entry: Entry) -> int:
    return dtypes.byte_length(entry.dtype, entry.shape)


def _check(trio: Trio, choice: Choice) -> None:
    base, ours, theirs = trio
    if base is None and METHODS[choice.method].NEEDS_BASE:
        raise Unsettled(f"added on both sides, and '{choice.method}' needs a base")
    for what in ('dtype', 'shape'):
        values = [_word(what, entry) for entry in (ours, theirs)]
        if len(set(values)) > 1:
            raise Unsettled(f'{what}s differ: ours {values[0]}, theirs {values[1]}')
    if any((e.dtype, e.shape) != (ours.dtype, ours.shape) for e in trio.present()):
        raise Unsettled('both sides changed its dtype or shape')
    if ours.dtype not in dtypes.FLOATS:
        raise Unsettled(f'both sides changed it, and {ours.dtype} is not averaged')
    if len({_arrangement(entry) for entry in trio.present()}) > 1:
        raise Unsettled('its elements lie in different orders')


def _word(what: str, entry: Entry) -> str:
    return entry.dtype if what == 'dtype' else dtypes.format_shape(entry.shape)


def _arrangement(entry: Entry) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in entry.extra if pair[0] not in _NOT_OF_ELEMENTS)


def _blocks(
    trio: Trio, choice: Choice, files: list[ObjectFile | None],
) -> Iterator[memoryview]:
    streams = [
        _pieces(entry, file) if entry and file else repeat(None)
        for entry, file in zip(trio, files)
    ]
    for arrays in zip(*streams):
        merged = _merge_block(trio.ours.dtype, arrays, choice)
        endian = numbers.endian_of(trio.ours.extra)
        yield memoryview(numbers.to_bytes(merged, trio.ours.dtype, endian))


def _pieces(entry: Entry, file: ObjectFile) -> Iterator[Any]:
    """The values as arrays of CHUNK bytes, the last one of what remains."""
    endian, rest = numbers.endian_of(entry.extra), bytearray()
    for data in values.decoded(entry, file.chunks()):
        rest += data
        while len(rest) >= CHUNK:
            yield numbers.stored(bytes(rest[:CHUNK]), entry.dtype, endian)
            del rest[:CHUNK]
    if rest:
        yield numbers.stored(bytes(rest), entry.dtype, endian)


def _merge_block(dtype: str, arrays: Sequence[Any], choice: Choice) -> Any:
    """Combine stored arrays; what is the same on all sides stays, bit for bit.

    Raises Unsettled for NaN or infinity anywhere else: one would spoil the rest.
    """
    import numpy

    present = [array for array in arrays if array is not None]
    ours = arrays[1]
    agreed = numpy.logical_and.reduce([same_bits(a, ours) for a in present])
    wide = [None if a is None else numbers.widened(a, dtype) for a in arrays]
    for array in wide:
        if array is not None and (~numpy.isfinite(array) & ~agreed).any():
            raise Unsettled('both sides changed it, and it holds NaN or infinity')
    base, mine, other = wide
    merged = METHODS[choice.method].merge(base, mine, other, choice.parameters)
    result = numbers.rounded(merged, dtype)
    if (~numpy.isfinite(numbers.widened(result, dtype)) & ~agreed).any():
        raise Unsettled(f'the result overflows {dtype}')
    return numpy.where(agreed, ours, result)
