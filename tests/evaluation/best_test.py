"""The choice of the best version: how often chance is taken for a gain."""
from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

from git_model_driver.evaluation import best
from git_model_driver.evaluation import statistics
from git_model_driver.evaluation.evaluators import Evaluator
from git_model_driver.evaluation.scores import Scores
from git_model_driver.evaluation.versions import Version

RUNS = 400


def scored(name: str, right: Any, k: int, told: bool) -> Scores:
    """Scores of a model that gets these examples right, on k folds."""
    folds = numpy.array_split(right, k)
    examples = {
        f'{fold}.{i}': (fold, float(score))
        for fold, part in enumerate(folds) for i, score in enumerate(part)
    } if told else {}
    means = tuple(float(part.mean()) for part in folds)
    return Scores(Version(name, '', 'm', 'blob', name), means, examples)


@pytest.mark.parametrize('told', [True, False], ids=['examples', 'folds'])
@pytest.mark.parametrize(('m', 'k'), [
    (1, 5), (4, 5), pytest.param(16, 10, marks=pytest.mark.slow),
])
def test_of_equal_models_none_is_called_better(
    m: int, k: int, told: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each example is as hard for all models, which then err by themselves."""
    monkeypatch.setattr(statistics, 'RESAMPLES', 500)
    random = numpy.random.default_rng(m + k)
    evaluator = Evaluator('e', folds=k)
    wrong, apparent, reported = 0, [], []
    for _ in range(RUNS):
        hard = random.beta(8, 1, 400)
        models = [
            scored(str(i), random.uniform(size=400) < hard, k, told)
            for i in range(m + 1)
        ]
        verdict = best.choose(models[0], models[1:], evaluator, False, 0.0)
        wrong += verdict.is_better
        apparent.append(max(each.test.mean for each in verdict.compared))
        reported.append(verdict.reported)
    # The promise is 2.5 %, of 5 on both sides.
    assert wrong / RUNS <= .05
    error = numpy.std(reported) / math.sqrt(RUNS)
    assert abs(numpy.mean(reported)) < 4 * error
    if m > 1:
        assert numpy.mean(apparent) > 10 * error        # what the curse would add


def test_a_real_gain_is_found_and_a_loss_is_told() -> None:
    random = numpy.random.default_rng(1)
    evaluator = Evaluator('e', folds=5)
    base, good, same = (
        scored(name, random.uniform(size=4000) < level, 5, True)
        for name, level in (('base', .8), ('good', .86), ('same', .8))
    )
    verdict = best.choose(base, [same, good], evaluator, False, 0.0)
    assert (verdict.winner.name, verdict.is_better) == ('good', True)
    assert (verdict.level, verdict.test.name) == (.975, 'McNemar, exact')
    assert verdict.reported == pytest.approx(verdict.test.mean)     # it always was
    assert not best.choose(base, [same, good], evaluator, False, .1).is_better
    assert best.choose(good, [base], evaluator, False, 0.0).is_worse
    assert best.choose(good, [base], evaluator, True, 0.0).is_better
    kept = best.choose(base, [same], evaluator, False, -.05)
    assert kept.is_better and not kept.is_worse


def test_the_fold_that_reports_has_no_part_in_the_choice() -> None:
    gains = [[9., 0., 0., 1.], [0., 1., 1., 0.]]
    assert best.choices(gains, 4) == [1, 0, 0, 0]
    assert best.choices([[9., 0., 0., 1.], [0., 2., 1., 0.]], 2) == [1, 0, 0, 1]


def test_the_same_model_is_neither_better_nor_worse() -> None:
    one = scored('one', numpy.tile([1., 0.], 50), 5, False)
    verdict = best.choose(one, [one], Evaluator('e'), False, 0.0)
    assert (verdict.is_better, verdict.is_worse, verdict.test.p) == (False, False, 1.0)
