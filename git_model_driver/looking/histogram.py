"""How the changes of a tensor's elements are spread."""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.model import Entry
from git_model_driver.formats import values
from git_model_driver.looking import change as changes
from git_model_driver.looking.comparison import TensorChange
from git_model_driver.store.readable import Readable

BINS = 41       # odd: the middle one holds what did not change


class Histogram(NamedTuple):
    """Counts of new - old in BINS equal bins from -largest to largest."""

    name: str
    largest: float
    counts: tuple[int, ...]


def of(each: TensorChange, store: Readable) -> Histogram | None:
    """Read a block at a time. None where there are no real numbers that differ."""
    if each.change is None or not each.change.largest or each.change.odd:
        return None
    assert each.old and each.new
    try:
        counts = _counts(each.old, each.new, store, each.change.largest)
    except GitModelError:
        return None
    return Histogram(each.name, each.change.largest, counts) if counts else None


def _counts(
    old: Entry, new: Entry, store: Readable, largest: float,
) -> tuple[int, ...] | None:
    import numpy

    def blocks(entry: Entry) -> Iterator[object]:
        with store.open(entry.oid) as file:
            yield from values.blocks(entry, file.chunks())

    total = numpy.zeros(BINS, numpy.int64)
    for before, after in zip(blocks(old), blocks(new)):
        delta = changes.wide(after, new.dtype) - changes.wide(before, old.dtype)
        if delta.dtype.kind == 'c':
            return None
        bins = numpy.floor((delta / largest + 1) / 2 * BINS).astype(numpy.int64)
        total += numpy.bincount(bins.clip(0, BINS - 1), minlength=BINS)
    return tuple(total.tolist())
