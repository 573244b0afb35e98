"""Merging the values of one tensor, block by block."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from typing import NamedTuple
from typing import Optional

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import numbers
from git_model_driver.core.manifest import Entry
from git_model_driver.core.numbers import same_bits
from git_model_driver.merging.methods import METHODS
from git_model_driver.merging.rules import Choice
from git_model_driver.store.batch import Batch
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store


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
        oid = batch.put_stream(trio.ours.nbytes, _blocks(trio, choice, files))
    return trio.ours._replace(oid=oid)


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
    if any('encoding' in dict(entry.extra) for entry in trio.present()):
        raise Unsettled('both sides changed it, and it is compressed')


def _word(what: str, entry: Entry) -> str:
    return entry.dtype if what == 'dtype' else dtypes.format_shape(entry.shape)


def _arrangement(entry: Entry) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in entry.extra if pair[0] != 'endian')


def _blocks(
    trio: Trio, choice: Choice, files: list[ObjectFile | None],
) -> Iterator[memoryview]:
    for offset in range(0, trio.ours.nbytes, CHUNK):
        arrays = [
            _stored(entry, file, offset) if entry and file else None
            for entry, file in zip(trio, files)
        ]
        merged = _merge_block(trio.ours.dtype, arrays, choice)
        endian = numbers.endian_of(trio.ours.extra)
        yield memoryview(numbers.to_bytes(merged, trio.ours.dtype, endian))


def _stored(entry: Entry, file: ObjectFile, offset: int) -> Any:
    data = file.read(offset, CHUNK)
    return numbers.stored(data, entry.dtype, numbers.endian_of(entry.extra))


def _merge_block(dtype: str, arrays: list[Any], choice: Choice) -> Any:
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
