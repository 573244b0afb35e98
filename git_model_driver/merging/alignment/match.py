"""Weight matching: an order of one model's units that brings it near another.

Ainsworth, Hayase, Srinivasa, Git Re-Basin (arXiv 2209.04836), section 3.2: minimise
|a - P b|^2 over the orders P of all groups, that is, maximise the sum over tensors of
<a_t, P b_t>. With all groups but one fixed this is a linear assignment problem of the
matrix S[i, j] = <what unit i has in a, what unit j has in b>; groups are solved again
and again, always in the same cycle, until none gains. Here the first round differs:
it goes from what has no order (inputs, vocabulary, outputs) inwards, and looks only
at tensors whose other axes are in order already, so that a network is told from its
own permutation exactly. Where an axis meets itself in one tensor (a square matrix of
a residual stream) the problem is quadratic: it is linearised at the present order,
and a new order is only taken where it truly gains.

S is the same on every machine: both operands are rounded to whole numbers of at most
20 bits (of the tensor's largest value), and summed 8192 at a time, so that every
partial sum of BLAS is a whole number of at most 2^53, exact in any order. The solver
only adds, subtracts and compares.
"""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from git_model_driver.core import exact
from git_model_driver.merging.alignment import permute
from git_model_driver.merging.alignment.spec import AlignmentError
from git_model_driver.merging.alignment.spec import Place
from git_model_driver.merging.alignment.spec import Shapes
from git_model_driver.merging.alignment.spec import Spec

Load = Callable[[str], Any]
Orders = dict[str, Any]

_BITS = 20              # 2 * 20 + 13 = 53
_LENGTH = 1 << 13
_ROUNDS = 100
_GAIN = 2.0 ** -40      # of the values compared: less is noise
# Averages over data on a scale of their own: they move, but do not say where to.
_STATISTICS = ('running_mean', 'running_var', 'moving_mean', 'moving_variance')


class Matched(NamedTuple):
    """``orders`` by group; cosines of a and b over all matched tensors."""

    orders: Orders
    before: float
    after: float


def match(spec: Spec, shapes: Shapes, units: Mapping[str, int], a: Load, b: Load) -> (
    Matched
):
    """Orders of b's units. ``a`` and ``b`` give one tensor at a time, by name."""
    import numpy

    orders = {group: numpy.arange(n) for group, n in units.items()}
    problem = _Problem(spec, shapes, orders, a, b)
    identity = dict(orders)
    before = problem.cosine()
    problem.first_round()
    problem.descend()
    after = problem.cosine()
    if after <= before:         # the first round led astray
        problem.orders.update(identity)
        problem.descend()
        after = problem.cosine()
    return Matched(problem.orders, before, after)


class _Problem:
    """Two models, the spec, and the orders found so far."""

    def __init__(
        self, spec: Spec, shapes: Shapes, orders: Orders, a: Load, b: Load,
    ) -> None:
        self.spec = spec
        self.shapes = shapes
        self.orders = orders
        self.a, self.b = a, b
        self.located = located(spec)
        self.open = [group for group in spec if len(orders[group]) > 1]

    def first_round(self) -> None:
        """Each group once, most firmly anchored first."""
        known = set(self.spec) - set(self.open)
        left = list(self.open)
        while left:
            shares = [self._anchored_share(group, known) for group in left]
            best = shares.index(max(shares))
            group = left.pop(best)
            terms = [p for p in self.terms(group) if self._is_anchored(p, group, known)]
            self.orders[group] = _assign(self._similarity(group, terms or None))
            known.add(group)

    def descend(self) -> None:
        """Solve groups in turn until none gains; only those that may gain."""
        stale = set(self.open)
        for _ in range(_ROUNDS):
            for group in self.open:
                if group in stale:
                    stale.discard(group)
                    if self._improve(group):
                        stale |= self._neighbours(group)
            if not stale:
                break

    def cosine(self) -> float:
        """Of a and the reordered b, over all tensors that are matched."""
        dot = one = other = 0.0
        for name in self._matched():
            x, y = self._values(self.a, name), self._moved_values(name)
            dot += _inner(x, y)
            one += _inner(x, x)
            other += _inner(y, y)
        return dot / (one * other) ** 0.5 if one and other else 0.0

    def terms(self, group: str) -> list[Place]:
        return [p for p in self.spec[group] if not _is_statistic(p.tensor)]

    def _improve(self, group: str) -> bool:
        import numpy

        similarity = self._similarity(group)
        current, candidate = self.orders[group], _assign(similarity)
        rows = numpy.arange(len(current))
        twice = self._twice(group)
        if not twice:
            old = float(exact.sums(similarity[rows, current]))
            new = float(exact.sums(similarity[rows, candidate]))
        else:
            old = self._objective(group)
            self.orders[group] = candidate
            new = self._objective(group)
            self.orders[group] = current
        if new - old <= _GAIN * max(abs(new), abs(old)):
            return False
        self.orders[group] = candidate
        return True

    def _objective(self, group: str) -> float:
        """The sum of <a_t, P b_t> over the tensors of a group."""
        total = 0.0
        for name in dict.fromkeys(place.tensor for place in self.terms(group)):
            total += _inner(self._values(self.a, name), self._moved_values(name))
        return total

    def _similarity(self, group: str, terms: list[Place] | None = None) -> Any:
        import numpy

        n = len(self.orders[group])
        total = numpy.zeros((n, n))
        for place in self.terms(group) if terms is None else terms:
            others = [p for p in self.located[place.tensor] if p[1] != place]
            theirs = self._values(self.b, place.tensor)
            theirs = permute.reordered(theirs, others, self.orders)
            ours = self._values(self.a, place.tensor)
            total += products(permute.rows(ours, place), permute.rows(theirs, place))
        return total

    def _anchored_share(self, group: str, known: set[str]) -> float:
        whole = anchored = 0
        for place in self.terms(group):
            size = 1
            for length in self.shapes[place.tensor]:
                size *= length
            whole += size
            anchored += size * self._is_anchored(place, group, known)
        return anchored / whole if whole else 0.0

    def _is_anchored(self, place: Place, group: str, known: set[str]) -> bool:
        """Whether all other axes of the tensor are in order already."""
        others = [g for g, p in self.located[place.tensor] if p != place]
        return all(g in known and g != group for g in others)

    def _twice(self, group: str) -> bool:
        names = [place.tensor for place in self.terms(group)]
        return len(names) > len(set(names))

    def _neighbours(self, group: str) -> set[str]:
        near = {g for p in self.terms(group) for g, _ in self.located[p.tensor]}
        return {g for g in near if g in self.open and (g != group or self._twice(g))}

    def _matched(self) -> Iterator[str]:
        return (name for name in self.located if not _is_statistic(name))

    def _moved_values(self, name: str) -> Any:
        values = self._values(self.b, name)
        return permute.reordered(values, self.located[name], self.orders)

    def _values(self, load: Load, name: str) -> Any:
        import numpy

        values = load(name).astype('float64')
        if values.shape != tuple(self.shapes[name]):
            raise AlignmentError(f"the shapes of '{name}' differ")
        return numpy.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def located(spec: Spec) -> dict[str, list[tuple[str, Place]]]:
    """The places of each tensor, with their groups."""
    found: dict[str, list[tuple[str, Place]]] = {}
    for group, places in spec.items():
        for place in places:
            found.setdefault(place.tensor, []).append((group, place))
    return found


def products(a: Any, b: Any) -> Any:
    """a @ b.T of float64 matrices rounded to 20 bits: the same on every machine."""
    import numpy

    left, up = _whole(a)
    right, down = _whole(b)
    total = numpy.zeros((len(a), len(b)))
    for start in range(0, a.shape[1], _LENGTH):
        part = slice(start, start + _LENGTH)
        total += left[:, part] @ right[:, part].T
    return numpy.ldexp(total, up + down)


def _whole(values: Any) -> tuple[Any, int]:
    """Whole numbers of at most 2^20, and the power of two they are to be taken by."""
    import numpy

    largest = float(numpy.abs(values).max(initial=0.0))
    power = max(int(numpy.frexp(largest)[1]), -900)
    return numpy.rint(numpy.ldexp(values, _BITS - power)), power - _BITS


def _inner(one: Any, other: Any) -> float:
    return float(exact.sums((one * other).reshape(-1)))


def _assign(similarity: Any) -> Any:
    """The order with the largest sum. Raises AlignmentError without SciPy."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError:
        raise AlignmentError(
            'aligning models needs SciPy', "pip install 'git-model-driver[align]'",
        ) from None
    return linear_sum_assignment(similarity, maximize=True)[1]


def _is_statistic(name: str) -> bool:
    return name.removesuffix(':0').endswith(_STATISTICS)
