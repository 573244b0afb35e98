"""Numbers by which people judge a merge, from a sample of what it passed over."""
from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from git_model_driver.core import numbers

EVERY = 128     # blocks: of a tensor up to that many, the first one is looked at
_UNRELATED = 0.5


class Sanity(NamedTuple):
    """How the versions' changes fit together.

    ``cosine`` is that of two versions' changes from base, of more the mean over all
    pairs; ``norm_ratio`` the norm of the result's change to the mean norm of theirs;
    ``sign_conflicts`` the share of elements, of those that several changed, where the
    changes have opposite signs.
    """

    cosine: float
    norm_ratio: float
    sign_conflicts: float


class Sample:
    """Sums over the sampled blocks of any number of tensors, in float64."""

    def __init__(self) -> None:
        self.result = 0.0
        self.both = self.opposite = 0
        # By pairs of the versions' indices, (i, i) for squares.
        self.products: defaultdict[tuple[int, int], float] = defaultdict(float)
        self.weights: defaultdict[tuple[int, int], float] = defaultdict(float)

    def add(
        self, base: Any, versions: Mapping[int, Any], result: Any, wide: bool,
    ) -> None:
        """Take in a block of versions, by their indices.

        ``base`` is None where there is none here; ``wide``: a block of a matrix.
        """
        import numpy

        with numpy.errstate(all='ignore'):
            arrays = {i: array.astype('float64') for i, array in versions.items()}
            if wide:
                _multiply(arrays, self.weights)
            if base is None:
                return
            base = numpy.nan_to_num(base.astype('float64'), posinf=0, neginf=0)
            deltas = {i: array - base for i, array in arrays.items()}
            _multiply(deltas, self.products)
            moved = result.astype('float64') - base
            self.result += numbers.tree_sum(moved * moved)
            up = sum((delta > 0).astype(int) for delta in deltas.values())
            down = sum((delta < 0).astype(int) for delta in deltas.values())
            self.both += int((up + down > 1).sum())
            self.opposite += int(((up > 0) & (down > 0)).sum())

    def merge(self, other: Sample) -> None:
        """Take in another sample. In a fixed order: the sums are of floats."""
        for name, value in vars(other).items():
            if isinstance(value, defaultdict):
                for pair, product in value.items():
                    getattr(self, name)[pair] += product
            else:
                setattr(self, name, getattr(self, name) + value)

    @property
    def unrelated(self) -> str | None:
        """Words of warning where the matrices point in different directions.

        Those of two trainings from different random beginnings do.
        """
        least = min(_cosines(self.weights), default=1.0)
        if least >= _UNRELATED:
            return None
        return (
            'the versions seem to be trained from different beginnings '
            f'(cosine of their weights {least:.2f}): a mean of '
            'them is no model, but see the rule "align"'
        )

    def outcome(self) -> Sanity | None:
        """The numbers; None where no tensor was sampled against a base."""
        cosines = _cosines(self.products)
        norms = [math.sqrt(s) for (i, j), s in self.products.items() if i == j]
        if not cosines:
            return None
        mean = math.fsum(norms) / len(norms)
        if not math.isfinite(mean * self.result):
            return None
        return Sanity(
            math.fsum(cosines) / len(cosines), math.sqrt(self.result) / mean,
            self.opposite / self.both if self.both else 0.0,
        )


def _multiply(
    arrays: Mapping[int, Any], into: defaultdict[tuple[int, int], float],
) -> None:
    """Add the inner products of all pairs."""
    for i, j in itertools.combinations_with_replacement(sorted(arrays), 2):
        into[i, j] += numbers.tree_sum(arrays[i] * arrays[j])


def _cosines(products: Mapping[tuple[int, int], float]) -> list[float]:
    """Of each pair of which both have a finite norm above 0."""
    found = []
    for (i, j), product in sorted(products.items()):
        norms = math.sqrt(products[i, i]) * math.sqrt(products[j, j])
        if i != j and 0 < norms < math.inf:
            found.append(product / norms)
    return found
