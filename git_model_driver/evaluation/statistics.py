"""Is one version better than another, or is it chance?

Two cases are often confused. Where the models are fixed and folds only split the
examples that test them, fold scores are independent given the models: an ordinary
paired t test. Where something was fitted on the other folds (a probe, weights of a
soup, the choice of a version) the training sets overlap, and the variance is larger
than it looks: Nadeau and Bengio's correction. Every test carries its name.
"""
from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import sqrt
from typing import Any
from typing import NamedTuple
from typing import Optional

from git_model_driver.core.errors import GitModelError

LEVEL = 0.95
RESAMPLES = 10_000
FEW = 10        # examples; a bootstrap of fewer errs too often
_MOST_AT_ONCE = 1 << 22     # indices of a bootstrap, in memory
_FEW_VALUES = 64


class Interval(NamedTuple):
    """Both ends; infinite where the data say nothing."""

    low: float
    high: float


class Summary(NamedTuple):
    """n scores: their mean, standard deviation (n - 1) and an interval of the mean."""

    n: int
    mean: float
    sd: float
    interval: Interval


class Test(NamedTuple):
    """A two-sided test that differences have mean 0, and an interval of their mean.

    ``statistic`` and ``df`` are None where the test has none. ``n`` counts what was
    tested: folds or examples.
    """

    name: str
    n: int
    mean: float
    interval: Interval
    p: float
    statistic: Optional[float] = None
    df: Optional[float] = None


def _special() -> Any:
    try:
        from scipy import special  # a second, a third of what scipy.stats takes
    except ImportError:
        raise GitModelError(
            'statistics need SciPy, which is not installed',
            "get it with: pip install 'git-model-driver[evaluate]'",
        ) from None
    return special


def mean(values: Sequence[float]) -> float:
    from math import fsum

    return fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """The standard deviation with n - 1; 0 for one value, or values all alike."""
    if len(values) < 2 or min(values) == max(values):
        return 0.0
    centre = mean(values)
    return sqrt(sum((value - centre) ** 2 for value in values) / (len(values) - 1))


def summary(scores: Sequence[float], level: float = LEVEL) -> Summary:
    """Of at least one score. The interval is Student's."""
    n, centre, sd = len(scores), mean(scores), deviation(scores)
    return Summary(n, centre, sd, _around(centre, sd / sqrt(n), n - 1, level))


def paired_t(differences: Sequence[float], level: float = LEVEL) -> Test:
    """Student's paired t test: for fixed models."""
    n = len(differences)
    return _t('paired t', differences, 1 / n, level)


def corrected_t(
    differences: Sequence[float], ratio: float, level: float = LEVEL,
) -> Test:
    """Nadeau and Bengio's corrected resampled t test (Machine Learning 52, 2003).

    For what was fitted on the other folds. ``ratio`` is n_test / n_train, 1 / (k - 1)
    for k folds; with repeats all k r differences are given (Bouckaert and Frank 2004).
    """
    factor = 1 / len(differences) + ratio
    return _t('Nadeau-Bengio corrected t', differences, factor, level)


def _t(name: str, differences: Sequence[float], factor: float, level: float) -> Test:
    """A t test with the variance ``factor`` times that of the differences."""
    n, centre, sd = len(differences), mean(differences), deviation(differences)
    if n < 2 or sd == 0:
        return _alike(name, n, centre)
    error = sqrt(factor) * sd
    t = centre / error
    p = 2 * float(_special().stdtr(n - 1, -abs(t)))
    return Test(name, n, centre, _around(centre, error, n - 1, level), p, t, n - 1)


def _alike(name: str, n: int, centre: float) -> Test:
    """Differences without any variance have no t; signs can still be flipped."""
    if centre == 0 and n > 1:
        return Test(name, n, 0.0, Interval(0.0, 0.0), 1.0)
    if n < 2:
        unknown = Interval(float('-inf'), float('inf'))
        return Test(name, n, centre, unknown, 1.0)
    p = least_p(n)
    return Test('sign flips, exact', n, centre, Interval(centre, centre), p)


def _around(centre: float, error: float, df: int, level: float) -> Interval:
    if df < 1:
        return Interval(float('-inf'), float('inf'))
    if error == 0:
        return Interval(centre, centre)
    half = float(_special().stdtrit(df, (1 + level) / 2)) * error
    return Interval(centre - half, centre + half)


def half_width(sd: float, n: int, ratio: float = 0.0, level: float = LEVEL) -> float:
    """What a mean of n differences must exceed to be told from chance."""
    if n < 2:
        return float('inf')
    factor = sqrt(1 / n + ratio)
    return float(_special().stdtrit(n - 1, (1 + level) / 2)) * factor * sd


def least_p(k: int) -> float:
    """The least p that k differences can show without a distribution assumed."""
    return min(1.0, 2.0 ** (1 - k))


def paired_bootstrap(
    differences: Sequence[float], seed: int = 0, resamples: int = 0,
    level: float = LEVEL,
) -> Test:
    """Expanded percentile bootstrap of the mean of per-example differences.

    Percentiles of resampled means (Efron 1979) are too narrow for few examples: they
    are taken as far out as Student's t is beyond the normal, times sqrt(n / (n - 1))
    (Hesterberg, The American Statistician 69, 2015). The p is below 1 - level just
    where the interval leaves 0 out. The same seed gives the same.
    ``resamples``: 0 for RESAMPLES.
    """
    import numpy

    special, n = _special(), len(differences)
    resamples = resamples or RESAMPLES
    values = numpy.asarray(differences, numpy.float64)
    name, centre = 'paired bootstrap over examples', float(values.mean())
    if n < 2:
        return Test(name, n, centre, Interval(float('-inf'), float('inf')), 1.0)
    wider = sqrt(n / (n - 1))
    means = numpy.sort(_resampled(values, seed, resamples))
    tail = special.ndtr(-wider * special.stdtrit(n - 1, (1 + level) / 2))
    low, high = numpy.quantile(means, [tail, 1 - tail])
    beyond = (float(min((means <= 0).sum(), (means >= 0).sum())) + 1) / (resamples + 1)
    t = min(0.0, float(special.ndtri(min(beyond, 0.5)))) / wider
    p = 2 * float(special.stdtr(n - 1, t))
    return Test(name, n, centre, Interval(float(low), float(high)), p)


def _resampled(values: Any, seed: int, resamples: int) -> Any:
    """The means of ``resamples`` samples with replacement."""
    import numpy

    random = numpy.random.Generator(numpy.random.Philox(seed))
    kinds, counts = numpy.unique(values, return_counts=True)
    if len(kinds) <= _FEW_VALUES:       # right or wrong: how often each is drawn
        drawn = random.multinomial(len(values), counts / len(values), resamples)
        return drawn @ kinds / len(values)
    step = max(1, _MOST_AT_ONCE // len(values))
    parts = []
    for start in range(0, resamples, step):
        shape = min(step, resamples - start), len(values)
        parts.append(values[random.integers(len(values), size=shape)].mean(axis=1))
    return numpy.concatenate(parts)


def mcnemar(
    before: Sequence[float], after: Sequence[float], level: float = LEVEL,
) -> Test:
    """McNemar's exact test (1947): of examples that just one of two gets right.

    Scores are 0 or 1. The interval is that of the paired bootstrap.
    """
    gained = sum(1 for b, a in zip(before, after) if a > b)
    lost = sum(1 for b, a in zip(before, after) if a < b)
    moved = gained + lost
    tail = float(_special().bdtr(min(gained, lost), moved, 0.5)) if moved else 1.0
    boot = paired_bootstrap([a - b for b, a in zip(before, after)], level=level)
    return boot._replace(name='McNemar, exact', p=min(1.0, 2 * tail))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (1979): for several candidates against one."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    raised = (min(1.0, (len(ps) - i) * ps[j]) for i, j in enumerate(order))
    adjusted = dict(zip(order, accumulate(raised, max)))
    return [adjusted[j] for j in range(len(ps))]
