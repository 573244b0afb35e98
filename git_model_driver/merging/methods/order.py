"""The k largest magnitudes of a tensor that is seen only in blocks, exactly.

Of equal magnitudes the lowest flat index counts as the larger: with that rule the
choice is one and the same for every block size, machine and thread.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

# A pass over non-negative values, in order.
Pass = Callable[[], Iterator[Any]]
_WHOLE = 1 << 20        # values that are kept in memory and cut directly
_SPREAD = 6             # standard deviations of a quantile of the sample


class Cut(NamedTuple):
    """Kept: what is above the threshold, and the first ``equal`` values equal to it."""

    threshold: float
    equal: int


def largest(values: Pass, k: int, size: int) -> Cut:
    """The cut that keeps k of ``size`` values (0 <= k <= size)."""
    if k <= 0:
        return Cut(math.inf, 0)
    if k >= size:
        return Cut(-1.0, 0)
    stride = -(-size // _WHOLE)
    sample = _sampled(values, stride)
    if stride == 1:
        return _within(sample, k, 0)
    bracket = _bracket(sample, k / size)
    while True:
        cut = _between(values, *bracket, k)
        if cut is not None:
            return cut
        bracket = (_lower(sample, bracket[0]), _higher(sample, bracket[1]))


def _sampled(values: Pass, stride: int) -> Any:
    import numpy

    parts = [block[::stride].copy() for block in values()]
    return numpy.sort(numpy.concatenate(parts))


def _bracket(ordered: Any, share: float) -> tuple[float, float]:
    """Two values between which the cut of the whole lies, almost surely."""
    m = len(ordered)
    at = (1 - share) * m
    spread = _SPREAD * math.sqrt(share * (1 - share) * m) + 2
    low, high = int(at - spread), int(at + spread) + 1
    return (
        float(ordered[low]) if low >= 0 else -1.0,
        float(ordered[high]) if high < m else math.inf,
    )


def _lower(ordered: Any, low: float) -> float:
    at = int((ordered < low).sum()) // 2
    return float(ordered[at]) if at > 0 and ordered[at] < low else -1.0


def _higher(ordered: Any, high: float) -> float:
    at = (len(ordered) + int((ordered <= high).sum())) // 2
    return float(ordered[at]) if at < len(ordered) and ordered[at] > high else math.inf


def _between(values: Pass, low: float, high: float, k: int) -> Cut | None:
    """The cut if it lies in [low, high], from one pass; None if it does not."""
    import numpy

    above = at_high = at_low = 0
    inside = []
    for block in values():
        over = block >= high
        n = int(numpy.count_nonzero(over))
        equal = int(numpy.count_nonzero(block == high)) if n else 0
        above += n - equal
        at_high += equal
        kept = block[(block >= low) & ~over]
        strictly = kept[kept > low]
        at_low += len(kept) - len(strictly)
        inside.append(strictly)
    if k <= above:
        return None
    if k <= above + at_high:
        return Cut(high, k - above)
    above += at_high
    middle = numpy.concatenate(inside)
    if k <= above + len(middle):
        return _within(middle, k, above)
    above += len(middle)
    return Cut(low, k - above) if k <= above + at_low else None


def _within(values: Any, k: int, above: int) -> Cut:
    """The cut among these values, where ``above`` others are larger than all."""
    import numpy

    wanted = k - above
    threshold = numpy.partition(values, len(values) - wanted)[len(values) - wanted]
    larger = int(numpy.count_nonzero(values > threshold))
    return Cut(float(threshold), wanted - larger)


class Mask:
    """Which values a cut keeps, for blocks that come in order."""

    def __init__(self, cut: Cut) -> None:
        self._threshold = cut.threshold
        self._left = cut.equal

    def __call__(self, values: Any) -> Any:
        import numpy

        threshold = values.dtype.type(self._threshold)
        kept = values > threshold
        if self._left:
            equal = numpy.flatnonzero(values == threshold)[:self._left]
            kept[equal] = True
            self._left -= len(equal)
        return kept
