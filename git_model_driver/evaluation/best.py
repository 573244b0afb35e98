"""Which version is fit for production, with a guard against chance.

The best of several equal models looks better than it is (the winner's curse). So where
there are m candidates its gain is reported as what was chosen without a fold gains on
that fold; and it is called better only by an interval that holds for all m at once, at
the level 1 - 0.05 / m (Bonferroni), whichever of them is looked at.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.evaluation import scores
from git_model_driver.evaluation import statistics
from git_model_driver.evaluation.evaluators import Evaluator
from git_model_driver.evaluation.scores import Comparison
from git_model_driver.evaluation.scores import Scores
from git_model_driver.evaluation.statistics import Test
from git_model_driver.evaluation.versions import Version

ALPHA = 1 - statistics.LEVEL


class Verdict(NamedTuple):
    """``winner`` has the highest mean gain of the candidates over the incumbent.

    ``test`` is of that gain: its interval has the level ``level``, its p is adjusted
    for all candidates. ``reported`` is the gain without the curse: on each fold that of
    what was chosen on the others; with one candidate there is no choice, and no curse.
    """

    incumbent: Version
    winner: Version
    test: Test
    level: float
    reported: float
    compared: Sequence[Comparison]
    min_gain: float

    @property
    def is_better(self) -> bool:
        """By more than ``min_gain``, and not by chance."""
        if self.test.interval.low <= self.min_gain:
            return False
        return self.min_gain < 0 or self.test.p <= ALPHA

    @property
    def is_worse(self) -> bool:
        """By more than chance."""
        return self.test.interval.high < 0 and self.test.p <= ALPHA


def choose(
    incumbent: Scores, candidates: Sequence[Scores], evaluator: Evaluator,
    less_is_better: bool, min_gain: float,
) -> Verdict:
    """The verdict on candidates, of which there is at least one.

    Raises GitModelError where folds or examples differ, or there are too few folds.
    """
    compared = scores.compare(incumbent, candidates, evaluator, less_is_better)
    means = [statistics.mean(each.gains) for each in compared]
    m, which = len(candidates), means.index(max(means))
    level, reported = 1 - ALPHA / m, means[which]
    if m > 1:
        gains = [each.gains for each in compared]
        reported = statistics.mean(_reported(gains, evaluator.folds))
    alone, = scores.compare(
        incumbent, [candidates[which]], evaluator, less_is_better, level,
    )
    test = alone.test._replace(p=min(1.0, m * alone.test.p))
    return Verdict(
        incumbent.version, compared[which].version, test, level, reported, compared,
        min_gain,
    )


def _reported(gains: Sequence[Sequence[float]], k: int) -> list[float]:
    if min(k, len(gains[0])) < 2:
        raise GitModelError(
            'to choose on some folds and report on others takes two of them, and '
            'scores for each',
            'say --folds 5, and have the evaluator use {fold} or give scores for each '
            'example',
        )
    return [gains[which][fold] for fold, which in enumerate(choices(gains, k))]


def choices(gains: Sequence[Sequence[float]], k: int) -> list[int]:
    """For each fold, the candidate with the highest mean on the other folds of its
    repeat; the first of equal ones.
    """
    found = []
    for fold in range(len(gains[0])):
        start = fold - fold % k
        others = [i for i in range(start, start + k) if i != fold]
        means = [statistics.mean([each[i] for i in others]) for each in gains]
        found.append(means.index(max(means)))
    return found
