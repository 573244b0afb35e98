"""What the answers for one version come to, and two versions beside each other."""
from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.evaluation import folds
from git_model_driver.evaluation import statistics
from git_model_driver.evaluation.answers import Answer
from git_model_driver.evaluation.evaluators import Evaluator
from git_model_driver.evaluation.jobs import Question
from git_model_driver.evaluation.statistics import Summary
from git_model_driver.evaluation.statistics import Test
from git_model_driver.evaluation.versions import Version


class Scores(NamedTuple):
    """A version's scores: one for each fold of each repeat, and of each example.

    ``examples`` are those of the first repeat, by the evaluator's ids or their places,
    with the fold that they were in; empty where the evaluator does not tell.
    ``failures`` say what went wrong; where there are any, there are no scores.
    """

    version: Version
    folds: tuple[float, ...] = ()
    examples: Mapping[str, tuple[int, float]] = {}
    failures: tuple[str, ...] = ()

    @property
    def summary(self) -> Summary:
        return statistics.summary(self.folds)


class Comparison(NamedTuple):
    """A version against another; gains are positive where it is better.

    ``wins``, ``ties`` and ``losses`` count folds. ``holm`` is the p adjusted for all
    that are compared at once.
    """

    version: Version
    test: Test
    gains: tuple[float, ...]
    holm: float

    @property
    def wins(self) -> int:
        return sum(1 for gain in self.gains if gain > 0)

    @property
    def losses(self) -> int:
        return sum(1 for gain in self.gains if gain < 0)


def gather(
    version: Version, asked: Sequence[Question], found: Sequence[Answer], metric: str,
) -> Scores:
    """A version's scores from its answers, one for each question."""
    lacking = [answer for answer in found if metric not in answer.metrics]
    if lacking:
        known = ', '.join(f"'{name}'" for name in sorted(lacking[0].metrics)[:20])
        return Scores(version, failures=(
            f"it gives no metric '{metric}', but {known}",))
    first = asked[0].seed
    told = [
        (question, answer) for question, answer in zip(asked, found)
        if question.seed == first
    ]
    is_told = all(metric in answer.examples for _, answer in told)
    if asked[0].fold is None and is_told:
        return _dealt(version, asked, found, metric)
    scores = tuple(answer.metrics[metric] for answer in found)
    return Scores(version, scores, _told(told, metric) if is_told else {})


def _told(
    told: Sequence[tuple[Question, Answer]], metric: str,
) -> dict[str, tuple[int, float]]:
    """Fold and score of each example. An id that comes in two folds is of two."""
    ids = [name for _, answer in told for name in answer.ids]
    unique = all(answer.ids for _, answer in told) and len(set(ids)) == len(ids)
    examples = {}
    for question, answer in told:
        fold = question.fold or 0
        names = answer.ids or range(len(answer.examples[metric]))
        for name, score in zip(names, answer.examples[metric]):
            examples[f'{name}' if unique else f'{fold}.{name}'] = fold, score
    return examples


def _dealt(
    version: Version, asked: Sequence[Question], found: Sequence[Answer], metric: str,
) -> Scores:
    """Examples that were scored all at once are split here, by their ids' order."""
    scores: list[float] = []
    examples: dict[str, tuple[int, float]] = {}
    for question, answer in zip(asked, found):
        names = answer.ids or tuple(map(str, range(len(answer.examples[metric]))))
        ordered = sorted(zip(names, answer.examples[metric]))
        k = min(question.folds, len(ordered))
        for fold, part in enumerate(folds.dealt(len(ordered), k, question.seed)):
            some = [ordered[i] for i in part]
            scores.append(statistics.mean([score for _, score in some]))
            if question.seed == asked[0].seed:
                examples.update({name: (fold, score) for name, score in some})
    return Scores(version, tuple(scores), examples)


def compare(
    base: Scores, others: Sequence[Scores], evaluator: Evaluator, less_is_better: bool,
    level: float = statistics.LEVEL,
) -> list[Comparison]:
    """Each of the others against ``base``. Raises GitModelError where the examples, or
    the folds, are not the same.
    """
    sign = -1.0 if less_is_better else 1.0
    made = []
    for other in others:
        test = _test(base, other, evaluator, sign, level)
        made.append((other.version, test, gains(base, other, sign)))
    adjusted = statistics.holm([test.p for _, test, _ in made])
    return [Comparison(*one, holm) for one, holm in zip(made, adjusted)]


def gains(base: Scores, other: Scores, sign: float) -> tuple[float, ...]:
    """Fold by fold, positive where ``other`` is better."""
    _same(base, other, len(base.folds) == len(other.folds))
    return tuple(sign * (b - a) for a, b in zip(base.folds, other.folds))


def _same(base: Scores, other: Scores, is_same: bool) -> None:
    if not is_same:
        raise GitModelError(
            f"'{base.version.name}' and '{other.version.name}' were not evaluated on "
            'the same examples',
            'the evaluator must choose them by fold and seed only, never by the model',
        )


def _test(
    base: Scores, other: Scores, evaluator: Evaluator, sign: float, level: float,
) -> Test:
    differences = gains(base, other, sign)
    if is_corrected(evaluator):
        return statistics.corrected_t(differences, ratio_of(evaluator), level)
    if not (base.examples and other.examples):
        return statistics.paired_t(differences, level)
    _same(base, other, base.examples.keys() == other.examples.keys())
    names = sorted(base.examples)
    before = [sign * base.examples[name][1] for name in names]
    after = [sign * other.examples[name][1] for name in names]
    if {*before, *after} <= {0.0, sign}:
        return statistics.mcnemar(before, after, level)
    gained = [b - a for a, b in zip(before, after)]
    if len(gained) < statistics.FEW:    # too few to be drawn from
        return statistics.paired_t(gained, level)._replace(
            name='paired t over examples')
    return statistics.paired_bootstrap(gained, level=level)


def is_corrected(evaluator: Evaluator) -> bool:
    """Whether folds are not independent: something is fitted, or they are repeated."""
    return evaluator.folds > 1 and (evaluator.fit or evaluator.repeats > 1)


def ratio_of(evaluator: Evaluator) -> float:
    """n_test / n_train."""
    return 1 / (evaluator.folds - 1)
