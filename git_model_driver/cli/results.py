"""What an evaluation came to: noted, as lines, as a document."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.evaluation import records
from git_model_driver.evaluation import scores
from git_model_driver.evaluation import statistics
from git_model_driver.evaluation.runner import Report
from git_model_driver.evaluation.scores import Comparison
from git_model_driver.evaluation.scores import Scores
from git_model_driver.render import evaluation as render
from git_model_driver.render.amounts import plural


def keep(report: Report) -> None:
    """Note the results on the models; that it cannot be done is no failure of theirs.
    """
    try:
        records.keep(report)
    except GitModelError as e:
        print(f'warning: the results were not noted: {e.message}', file=sys.stderr)


def complete(report: Report) -> list[Scores]:
    return [each for each in report.results if not each.failures]


def comparisons(report: Report) -> list[Comparison]:
    """Of the first version with all others; none where it could not be evaluated."""
    first = report.results[0]
    if first.failures:
        return []
    others = [each for each in complete(report) if each is not first]
    return scores.compare(first, others, report.evaluator, report.less_is_better)


def lines(report: Report, compared: Sequence[Comparison]) -> list[str]:
    good = complete(report)
    if not good:
        return []
    found = [heading(report), '', *render.scores([scored(each) for each in good])]
    if compared:
        name = report.results[0].version.name
        rows = [row_of(each) for each in compared]
        found += ['', *render.comparisons(name, rows)]
    return [*found, '', *limits(report, compared)]


def show(report: Report, compared: Sequence[Comparison]) -> None:
    for line in lines(report, compared):
        print(line)


def heading(report: Report) -> str:
    evaluator, first = report.evaluator, report.asked[0]
    better = 'less' if report.less_is_better else 'more'
    path = words.printable(report.results[0].version.path)
    parts = [
        f'{path}: {words.printable(report.metric)} ({better} is better)',
        f'evaluator "{words.printable(evaluator.name)}"', plural(first.folds, 'fold'),
        f'seed {evaluator.seed}',
    ]
    if evaluator.repeats > 1:
        parts.insert(3, f'{evaluator.repeats} repeats')
    return ', '.join(parts)


def scored(each: Scores) -> render.Scored:
    found = each.summary
    name = each.version.name
    return render.Scored(
        name, found.n, found.mean, found.sd, *found.interval, each.folds,
    )


def row_of(each: Comparison) -> render.Compared:
    test = each.test
    return render.Compared(
        each.version.name, test.name, test.mean, *test.interval, test.p, each.holm,
        each.wins, each.losses, each.gains,
    )


def limits(report: Report, compared: Sequence[Comparison]) -> list[str]:
    """What the folds cannot show, for the comparison that is least uncertain."""
    each = complete(report)[0]
    k = len(each.folds)
    if not compared:
        half = each.summary.interval.high - each.summary.mean
        return [] if k > 1 else render.limits(k, half, 1.0, 0)
    test = min((one.test for one in compared), key=lambda t: t.interval.high - t.mean)
    half = (test.interval.high - test.interval.low) / 2
    examples = test.n if test.n > k else 0
    return render.limits(k, half, statistics.least_p(k), examples)


def document(report: Report, compared: Sequence[Comparison]) -> dict[str, Any]:
    return {
        'version': 1,
        'evaluator': report.evaluator.name,
        'metric': report.metric,
        'direction': 'min' if report.less_is_better else 'max',
        'folds': report.evaluator.folds,
        'repeats': report.evaluator.repeats,
        'seed': report.evaluator.seed,
        'asked': report.fresh,
        'results': [_result(each, report) for each in report.results],
        'comparisons': [comparison_data(each) for each in compared],
    }


def _result(each: Scores, report: Report) -> dict[str, Any]:
    version = each.version
    found: dict[str, Any] = {
        'revision': version.name, 'commit': version.commit, 'path': version.path,
        'model': version.oid, 'failures': list(each.failures),
    }
    if not each.failures:
        about = each.summary
        found.update(
            n=about.n, mean=about.mean, sd=about.sd,
            interval=[finite(end) for end in about.interval],
            folds=list(each.folds), examples=len(each.examples),
        )
    return found


def comparison_data(each: Comparison) -> dict[str, Any]:
    test = each.test
    return {
        'revision': each.version.name, 'test': test.name, 'n': test.n,
        'gain': test.mean, 'interval': [finite(end) for end in test.interval],
        'statistic': test.statistic, 'df': test.df, 'p': test.p, 'holm': each.holm,
        'won': each.wins, 'lost': each.losses, 'gains': list(each.gains),
    }


def finite(end: float) -> float | None:
    """JSON has no infinity."""
    return end if abs(end) != float('inf') else None


def tell_failures(report: Report) -> None:
    for each in report.results:
        name = words.printable(each.version.name)
        for failure in each.failures:
            print(f"error: '{name}' could not be evaluated: {failure}",
                  file=sys.stderr)
