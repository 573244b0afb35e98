"""How much a tensor changed, the same on every machine, in float64.

Sums are added as trees of fixed shape and then exactly (``math.fsum``), so they do
not depend on a processor, on threads, or on how the bytes are stored.
"""
from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import exact
from git_model_driver.core import numbers
from git_model_driver.core.errors import FormatError
from git_model_driver.core.model import Entry
from git_model_driver.formats import values

_SAMPLE = 64        # rows and columns that the rank is estimated from
_SMALLEST_RANKED = 2
_GOLDEN = 40503     # of 65,536: the fractions of its multiples are spread evenly

Read = Callable[[Entry], Iterable['bytes | memoryview']]


class Sums(NamedTuple):
    """Of squares over the elements that are finite on both sides."""

    delta: float = 0.0      # of new - old
    old: float = 0.0
    new: float = 0.0
    dot: float = 0.0        # of old * new

    def plus(self, other: Sums) -> Sums:
        return Sums(*(a + b for a, b in zip(self, other)))

    @property
    def relative(self) -> float:
        """|new - old| / |old|, Euclidean; inf where old is all zeros and new is not."""
        if not self.delta:
            return 0.0
        return math.sqrt(self.delta) / math.sqrt(self.old) if self.old else math.inf

    @property
    def cosine(self) -> float:
        """Of the angle between old and new; NaN where one is all zeros, or huge."""
        scale = math.sqrt(self.old) * math.sqrt(self.new)
        if not scale or not math.isfinite(scale):
            return math.nan
        return max(-1.0, min(1.0, self.dot / scale))


class Change(NamedTuple):
    """What became of one tensor's elements. ``rank`` is an estimate (``_rank``)."""

    sums: Sums
    largest: float          # of |new - old|
    changed: int            # elements with other bits; other values, if dtypes differ
    elements: int
    odd: int = 0            # elements that are NaN or infinite on a side
    rank: int | None = None


def is_comparable(old: Entry, new: Entry) -> bool:
    """Whether elements of the two stand for the same things."""
    return (
        old.shape == new.shape
        and dict(old.extra).get('order') == dict(new.extra).get('order')
        and all(dtypes.as_numpy(entry.dtype) is not None for entry in (old, new))
    )


def compute(old: Entry, new: Entry, read: Read, ranked: bool = True) -> Change:
    """Compare two tensors of one shape, a block at a time.

    ``read`` gives the bytes of a tensor's extent in pieces. Raises what ``read``
    raises, and FormatError.
    """
    import numpy

    work = _Work(old, new, ranked)
    sides = [values.blocks(entry, read(entry)) for entry in (old, new)]
    with numpy.errstate(all='ignore'):
        for before, after in itertools.zip_longest(*sides, fillvalue=()):
            if len(before) != len(after):
                raise FormatError(f"'{new.name}' is not as long as its shape says")
            work.add(before, after)
        return work.result()


class _Work:
    """Takes in blocks; real numbers are worked on in memory that is used again."""

    def __init__(self, old: Entry, new: Entry, ranked: bool) -> None:
        self._dtypes = old.dtype, new.dtype
        self._is_complex = any(word in ('C64', 'C128') for word in self._dtypes)
        self._sums: list[list[float]] = [[], [], [], []]
        self._largest = 0.0
        self._count = self._changed = self._odd = 0
        self._sampler = _Sampler(new) if ranked else None
        self._room: Any = None

    def add(self, before: Any, after: Any) -> None:
        old, new = self._widened(before, after)
        if before.dtype == after.dtype:
            same = numbers.same_bits(before, after)
        else:       # other bits all the same: then the values count
            same = (old == new) | ((old != old) & (new != new))
        self._changed += len(same) - int(same.sum())
        largest, sums = self._summed(old, new)
        if not all(map(math.isfinite, sums)) and self._forget_odd(old, new):
            largest, sums = self._summed(old, new)
        self._largest = max(self._largest, largest)
        for column, value in zip(self._sums, sums):
            column.append(value)
        if self._sampler:
            self._sampler.add(self._count, new - old, new)
        self._count += len(same)

    def _widened(self, before: Any, after: Any) -> tuple[Any, Any]:
        import numpy

        if self._is_complex:
            return wide(before, self._dtypes[0]), wide(after, self._dtypes[1])
        if self._room is None or self._room.shape[1] < len(before):
            self._room = numpy.empty((7, len(before)))
        old, new = self._room[5, :len(before)], self._room[6, :len(before)]
        numpy.copyto(old, before, casting='unsafe')
        numpy.copyto(new, after, casting='unsafe')
        return old, new

    def _forget_odd(self, old: Any, new: Any) -> bool:
        """Count what is not finite on a side, and put 0 in its place."""
        import numpy

        odd = ~(numpy.isfinite(old) & numpy.isfinite(new))
        old[odd] = new[odd] = 0
        self._odd += int(odd.sum())
        return bool(odd.any())

    def _summed(self, old: Any, new: Any) -> tuple[float, list[float]]:
        """The largest |new - old|; sums of the products, as in Sums."""
        import numpy

        if self._is_complex:    # as pairs of real numbers
            largest = float(abs(new - old).max(initial=0.0))
            old, new = old.view('f8'), new.view('f8')
            work, delta = numpy.empty((4, len(old))), new - old
        else:
            work, delta = self._room[:4, :len(old)], self._room[4, :len(old)]
            numpy.subtract(new, old, out=delta)
            largest = max(float(delta.max()), -float(delta.min()))
        for row, one, other in zip(
            work, (delta, old, new, old), (delta, old, new, new),
        ):
            numpy.multiply(one, other, out=row)
        return largest, exact.sums_within(work).tolist()

    def result(self) -> Change:
        rank = self._sampler.rank() if self._sampler and self._changed else None
        return Change(
            Sums(*map(_total, self._sums)), self._largest, self._changed, self._count,
            self._odd, rank,
        )


def _total(terms: list[float]) -> float:
    """Correctly rounded; inf or NaN where there is one, or where it overflows."""
    try:
        return math.fsum(terms)
    except (OverflowError, ValueError):
        return sum(terms)


def wide(array: Any, dtype: str) -> Any:
    """float64, or complex128 of what is complex."""
    found = numbers.widened(array, dtype)
    return found.astype('complex128' if found.dtype.kind == 'c' else 'float64')


class _Sampler:
    """Rows and columns from everywhere in the change of a matrix."""

    def __init__(self, entry: Entry) -> None:
        self._dtype = entry.dtype
        self._places: dict[int, tuple[int, int]] = {}
        shape = _matrix(entry)
        self.shape = shape
        if shape is None:
            return
        rows, columns = (_spread(n) for n in shape)
        self._at = [
            (r * shape[1] + c, i, j)
            for i, r in enumerate(rows) for j, c in enumerate(columns)
        ]
        self._next = 0
        self._delta = [[0.0] * len(columns) for _ in rows]
        self._squares = 0.0

    def add(self, start: int, delta: Any, new: Any) -> None:
        """Take what it needs of the elements from ``start`` on."""
        if self.shape is None:
            return
        while self._next < len(self._at):
            place, i, j = self._at[self._next]
            if place >= start + len(delta):
                break
            self._delta[i][j] = float(delta[place - start])
            value = float(new[place - start])
            self._squares += value * value      # inf where it overflows
            self._next += 1

    def rank(self) -> int | None:
        """None where it is no matrix, or not low: above half of what a sample tells.

        A sample of random numbers has small singular values, too, which may be taken
        for rounding.
        """
        if self.shape is None:
            return None
        import numpy

        from git_model_driver.core import orthogonal

        sample = numpy.array(self._delta)
        largest = float(abs(sample).max(initial=0.0))
        if not 0 < largest < math.inf or not math.isfinite(self._squares):
            return None
        singular, _ = orthogonal.right_vectors(sample)
        floor = self._noise(sample.shape) + 1e-12 * float(singular[0])
        found = int((singular > floor).sum())
        return found if found <= min(sample.shape) // 2 else None

    def _noise(self, shape: Sequence[int]) -> float:
        """The largest singular value that rounding to the dtype is likely to make.

        A matrix of independent errors has none above s (sqrt(m) + sqrt(n)), nearly
        always (Davidson, Szarek 2001, theorem II.13); both sides were rounded.
        """
        rms = math.sqrt(self._squares / (shape[0] * shape[1]))
        unit = _UNITS.get(self._dtype, 2.0 ** -52)
        return 2 * unit * rms * (math.sqrt(shape[0]) + math.sqrt(shape[1]))


_UNITS = {
    'BF16': 2.0 ** -9, 'F16': 2.0 ** -12, 'F32': 2.0 ** -25, 'F64': 2.0 ** -54,
    'F8_E4M3': 2.0 ** -5, 'F8_E5M2': 2.0 ** -4, 'F8_E4M3FNUZ': 2.0 ** -5,
    'F8_E5M2FNUZ': 2.0 ** -4,
}


def _matrix(entry: Entry) -> tuple[int, int] | None:
    """Rows and columns, as the elements lie; None for what is no matrix of floats."""
    extra = dict(entry.extra)
    if entry.dtype not in _UNITS or len(entry.shape) < 2:
        return None
    shape = entry.shape
    if extra.get('order') == 'F':
        shape = shape[::-1]
    rows, columns = shape[0], math.prod(shape[1:])
    return (rows, columns) if min(rows, columns) >= _SMALLEST_RANKED else None


def _spread(n: int) -> list[int]:
    """One of each equal stretch, where no period that the rows may have hits it again.
    """
    taken = min(n, _SAMPLE)
    starts = [i * n // taken for i in range(taken + 1)]
    return [
        start + (i * _GOLDEN % 65536) * (end - start) // 65536
        for i, (start, end) in enumerate(itertools.pairwise(starts))
    ]
