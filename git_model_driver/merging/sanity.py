"""Numbers by which people judge a merge, from a sample of what it passed over."""
from __future__ import annotations

import math
from typing import Any
from typing import NamedTuple

from git_model_driver.core import numbers

EVERY = 128     # blocks: of a tensor up to that many, the first one is looked at
_UNRELATED = 0.5


class Sanity(NamedTuple):
    """How two versions' changes fit together.

    ``cosine`` is that of the two changes from base, ``norm_ratio`` the norm of the
    result's change to the mean norm of theirs, ``sign_conflicts`` the share of
    elements, of those that both changed, where the changes have opposite signs.
    """

    cosine: float
    norm_ratio: float
    sign_conflicts: float


class Sample:
    """Sums over the sampled blocks of any number of tensors, in float64."""

    def __init__(self) -> None:
        self.ours = self.theirs = self.result = self.product = 0.0
        self.both = self.opposite = 0
        self.weights_ours = self.weights_theirs = self.weights_product = 0.0

    def add(self, base: Any, ours: Any, theirs: Any, result: Any, wide: bool) -> None:
        """Take in a block; base None where there is none here; ``wide``: a matrix."""
        import numpy

        with numpy.errstate(all='ignore'):
            self._add(base, ours, theirs, result, wide)

    def _add(self, base: Any, ours: Any, theirs: Any, result: Any, wide: bool) -> None:
        import numpy

        ours, theirs = ours.astype('float64'), theirs.astype('float64')
        if wide:
            self.weights_ours += numbers.tree_sum(ours * ours)
            self.weights_theirs += numbers.tree_sum(theirs * theirs)
            self.weights_product += numbers.tree_sum(ours * theirs)
        if base is None:
            return
        base = numpy.nan_to_num(base.astype('float64'), posinf=0, neginf=0)
        ours, theirs = ours - base, theirs - base
        moved = result.astype('float64') - base
        self.ours += numbers.tree_sum(ours * ours)
        self.theirs += numbers.tree_sum(theirs * theirs)
        self.result += numbers.tree_sum(moved * moved)
        product = ours * theirs
        self.product += numbers.tree_sum(product)
        self.both += int((product != 0).sum())
        self.opposite += int((product < 0).sum())

    def merge(self, other: Sample) -> None:
        """Take in another sample. In a fixed order: the sums are of floats."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def unrelated(self) -> str | None:
        """Words of warning where the matrices point in different directions.

        Those of two trainings from different random beginnings do.
        """
        norms = math.sqrt(self.weights_ours) * math.sqrt(self.weights_theirs)
        if not 0 < norms < math.inf or self.weights_product / norms >= _UNRELATED:
            return None
        return (
            'the versions seem to be trained from different beginnings '
            f'(cosine of their weights {self.weights_product / norms:.2f}): a mean of '
            'them is no model, but see the rule "align"'
        )

    def outcome(self) -> Sanity | None:
        """The numbers; None where no tensor was sampled against a base."""
        ours, theirs = math.sqrt(self.ours), math.sqrt(self.theirs)
        if not ours or not theirs or not math.isfinite(ours * theirs * self.result):
            return None
        return Sanity(
            self.product / (ours * theirs),
            math.sqrt(self.result) / ((ours + theirs) / 2),
            self.opposite / self.both if self.both else 0.0,
        )
