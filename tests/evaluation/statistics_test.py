"""The tests by which versions are chosen: worked values, and SciPy as an oracle."""
from __future__ import annotations

import math

import numpy
import pytest
from scipy import stats

from git_model_driver.evaluation import statistics

A = [.912, .905, .921, .899, .915]
B = [.901, .902, .910, .895, .903]
GAIN = [a - b for a, b in zip(A, B)]


def test_the_worked_values_hold_to_all_digits_that_are_printed() -> None:
    plain = statistics.paired_t(GAIN)
    assert (f'{plain.mean:.4f}', f'{plain.statistic:.5f}', f'{plain.p:.6f}') == (
        '0.0082', '4.24012', '0.013262')
    assert f'{stats.ttest_rel(A, B).pvalue:.6f}' == f'{plain.p:.6f}'
    assert f'{plain.p:.5f}' == '0.01326'
    fitted = statistics.corrected_t(GAIN, 200 / 800)
    low, high = fitted.interval
    assert (f'{fitted.statistic:.5f}', f'{fitted.p:.4f}', f'{low:.5f}', f'{high:.5f}'
            ) == ('2.82675', '0.0475', '0.00015', '0.01625')
    flipped = stats.permutation_test(
        (A, B), lambda a, b: numpy.mean(numpy.subtract(a, b)),
        permutation_type='samples', n_resamples=math.inf)
    assert statistics.least_p(5) == flipped.pvalue == .0625
    assert statistics.holm([.01, .04, .03]) == [.03, .06, .06]
    assert (plain.name, fitted.name) == ('paired t', 'Nadeau-Bengio corrected t')


def test_students_values_are_those_of_scipy() -> None:
    random = numpy.random.default_rng(1)
    for n in (2, 3, 10, 400):
        a, b = random.normal(size=(2, n))
        mine = statistics.paired_t((a - b).tolist())
        theirs = stats.ttest_rel(a, b)
        low, high = theirs.confidence_interval(.95)
        assert mine.statistic == pytest.approx(theirs.statistic, rel=1e-12)
        assert mine.p == pytest.approx(theirs.pvalue, rel=1e-9)
        assert mine.interval == pytest.approx((low, high), rel=1e-9)
        about = statistics.summary(a.tolist())
        ends = stats.t.interval(.95, n - 1, a.mean(), stats.sem(a))
        assert about.sd == pytest.approx(a.std(ddof=1), rel=1e-12)
        assert about.interval == pytest.approx(ends, rel=1e-9)


@pytest.mark.parametrize(('gained', 'lost'), [(0, 0), (7, 1), (1, 7), (40, 40), (3, 0)])
def test_mcnemar_is_the_exact_binomial_test(gained: int, lost: int) -> None:
    before = [0.] * gained + [1.] * lost + [1.] * 50
    after = [1.] * gained + [0.] * lost + [1.] * 50
    found = statistics.mcnemar(before, after)
    n = gained + lost
    wanted = stats.binomtest(min(gained, lost), n, .5).pvalue if n else 1.
    assert found.p == pytest.approx(wanted, rel=1e-12)
    assert found.mean == pytest.approx((gained - lost) / (n + 50))


@pytest.mark.parametrize('kind', ['right or wrong', 'losses'])
def test_the_bootstrap_is_scipys_and_the_same_each_time(kind: str) -> None:
    random = numpy.random.default_rng(2)
    a, b = random.normal(.1, 1, (2, 500))
    if kind == 'right or wrong':
        a, b = (a > 0).astype(float), (b > .2).astype(float)
    mine = statistics.paired_bootstrap((a - b).tolist())
    assert mine == statistics.paired_bootstrap((a - b).tolist())
    theirs = stats.bootstrap(
        (a, b), lambda x, y, axis: (x - y).mean(axis=axis), paired=True,
        method='percentile', rng=numpy.random.default_rng(3),
    ).confidence_interval
    assert mine.interval == pytest.approx(tuple(theirs), abs=.005)
    assert mine.mean == pytest.approx((a - b).mean())
    assert (mine.p < .05) == (not mine.interval.low <= 0 <= mine.interval.high)


def test_holm_never_falls_and_never_exceeds_one() -> None:
    random = numpy.random.default_rng(4)
    for n in range(6):
        ps = random.uniform(size=n).tolist()
        adjusted = statistics.holm(ps)
        assert all(p <= q <= 1 for p, q in zip(ps, adjusted))
        ranks = sorted(range(n), key=ps.__getitem__)
        assert [adjusted[i] for i in ranks] == sorted(adjusted)


def test_what_does_not_vary_is_told_by_its_signs() -> None:
    same = statistics.paired_t([0., 0., 0.])
    assert (same.p, same.interval) == (1., (0., 0.))
    alike = statistics.paired_t([.25] * 5)
    assert (alike.name, alike.p, alike.interval) == (
        'sign flips, exact', .0625, (.25, .25))
    one = statistics.paired_t([.5])
    assert one.p == 1 and math.isinf(one.interval.low)
    assert statistics.summary([.5]).interval == (-math.inf, math.inf)


def test_equal_models_are_called_different_no_more_often_than_promised() -> None:
    """Fixed models, folds that split 1000 examples: plain t holds its level."""
    random = numpy.random.default_rng(5)
    found = {'plain': 0, 'corrected': 0, 'examples': 0}
    runs = 800
    for _ in range(runs):
        right = random.uniform(size=(2, 1000)) < .9
        gain = right[0].astype(float) - right[1]
        folds = gain.reshape(5, 200).mean(axis=1).tolist()
        found['plain'] += statistics.paired_t(folds).p < .05
        found['corrected'] += statistics.corrected_t(folds, .25).p < .05
        found['examples'] += statistics.paired_bootstrap(
            gain.tolist(), resamples=500).p < .05
    assert {name: count / runs < .07 for name, count in found.items()} == {
        'plain': True, 'corrected': True, 'examples': True}
    assert found['corrected'] < found['plain']


@pytest.mark.parametrize(('k', 'plain'), [(5, .048), (10, .054)])
def test_the_simulated_levels_are_those_that_were_worked_out(
    k: int, plain: float,
) -> None:
    """Two equal models that are fixed, 1000 examples, 4000 runs: the plain test errs as
    often as it says, the one for fitted models (.011) far too seldom.
    """
    runs, n = 4000, 1000
    random = numpy.random.default_rng(k)
    folds = random.binomial(n // k, .8, size=(2, runs, k)) / (n // k)
    gains = (folds[0] - folds[1]).tolist()
    error = 3 * math.sqrt(.05 * .95 / runs)
    level = sum(statistics.paired_t(gain).p < .05 for gain in gains) / runs
    assert abs(level - plain) < error and level < .05 + error
    corrected = sum(
        statistics.corrected_t(gain, 1 / (k - 1)).p < .05 for gain in gains) / runs
    assert corrected < .02


def test_the_best_of_equal_models_seems_better_by_what_was_worked_out() -> None:
    """The winner's curse in points, on 1000 examples that 80 % get right."""
    random = numpy.random.default_rng(1)
    for models, points in ((2, .71), (4, 1.30), (8, 1.81), (16, 2.21)):
        scores = random.binomial(1000, .8, size=(20_000, models)) / 10
        assert scores.max(axis=1).mean() - 80 == pytest.approx(points, abs=.04)


@pytest.mark.parametrize('kind', ['normal', 'lognormal'])
@pytest.mark.parametrize('n', [statistics.FEW, 25])
def test_few_examples_are_no_excuse(kind: str, n: int) -> None:
    """Equal models: how often one is called better, and different. (2500 runs: 0.024 to
    0.032, and 0.05 to 0.07.)
    """
    random = numpy.random.default_rng(n)
    runs = better = different = 0
    for seed in range(400):
        a, b = getattr(random, kind)(0, 1, (2, n))
        found = statistics.paired_bootstrap((a - b).tolist(), seed, 1000)
        outside = not found.interval.low <= 0 <= found.interval.high
        assert outside == (found.p < .05) or abs(found.p - .05) < .02
        runs, different = runs + 1, different + outside
        better += found.interval.low > 0 and found.p <= .05
    assert better / runs <= .05
    assert different / runs < .1


def test_one_example_says_nothing() -> None:
    one = statistics.paired_bootstrap([.5])
    assert (one.p, one.interval) == (1., (-math.inf, math.inf))
