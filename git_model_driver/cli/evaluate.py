"""Evaluate versions of a model on the same folds, and say what differs by chance.

Each version is written from the store to a read-only temporary folder; the worktree
is left alone. The evaluator says how good it is, fold by fold. Answers are kept: what
was interrupted goes on where it was, and nothing is asked twice. The results are noted
on the model (git notes --ref=model-eval), whichever commits have it.

Versions are compared with the first one. Exit code 1 if some could not be evaluated.
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from git_model_driver.cli import evaluating
from git_model_driver.cli import html
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.evaluation import evaluators
from git_model_driver.evaluation import permission
from git_model_driver.evaluation import records
from git_model_driver.evaluation import scores
from git_model_driver.evaluation import statistics
from git_model_driver.evaluation import versions
from git_model_driver.evaluation.runner import Report
from git_model_driver.evaluation.runner import evaluate
from git_model_driver.evaluation.scores import Comparison
from git_model_driver.evaluation.scores import Scores
from git_model_driver.evaluation.versions import Version
from git_model_driver.git import repository as repositories
from git_model_driver.git.repository import Repository
from git_model_driver.render import evaluation as render
from git_model_driver.render.html import evaluation as page
from git_model_driver.transfer.locate import store_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('revision', nargs='*', help='versions (default: HEAD)')
    evaluating.add_arguments(parser)
    parser.add_argument('--allow', metavar='<hash>',
                        help="allow what this repository's evaluator wants to run")
    parser.add_argument('--recorded', action='store_true',
                        help='ask nobody: show what is noted on the models')
    html.add_argument(parser, 'git-model-evaluate.html')
    parser.add_argument('--json', action='store_true', help='print one document')


def run(args: argparse.Namespace) -> int:
    repository = repositories.find()
    if args.allow is not None:
        _allow(args.allow, repository)
        if not args.revision:
            return 0
    if args.recorded:
        return _show_recorded(args)
    evaluator = evaluating.evaluator_of(args, repository)
    wanted = _versions(args, evaluator.path)
    report = evaluate(
        evaluator, wanted, repository, store_of(repository), evaluating.means_of(args),
    )
    keep(report)
    compared = comparisons(report)
    if args.html:
        _write_page(args.html, report, compared)
    elif args.json:
        print(json.dumps(document(report, compared), indent=2))
    else:
        print(*lines(report, compared), sep='\n')
    tell_failures(report)
    return 1 if any(each.failures for each in report.results) else 0


def _versions(args: argparse.Namespace, path: str) -> list[Version]:
    return [versions.find(name, path) for name in args.revision or ['HEAD']]


def _show_recorded(args: argparse.Namespace) -> int:
    wanted = _versions(args, args.model or '')
    found = [(version, one) for version in wanted for one in records.of(version.oid)]
    if args.json:
        print(json.dumps([
            {'revision': version.name, 'model': version.oid, **one._asdict()}
            for version, one in found
        ], indent=2))
    else:
        rows = [
            (version.name, one.evaluator, one.metric,
             statistics.summary(one.scores[one.metric])) for version, one in found
        ]
        print(*render.recorded(rows), sep='\n')
    return 0 if found else 1


def _allow(key: str, repository: Repository) -> None:
    for evaluator in evaluators.load(repository).values():
        if permission.key_of(evaluator.text) == key:
            permission.allow(evaluator.text, repository)
            text = words.printable(evaluator.text)
            print(f"Allowed in this repository: {text}", file=sys.stderr)
            return
    raise UsageError(
        f"no evaluator of this repository has the hash '{key}'",
        'see what it wants to run, and its hash, with "git model evaluate"',
    )


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
    found = [heading(report), '', *render.scores([_scored(each) for each in good])]
    if compared:
        name = report.results[0].version.name
        rows = [row_of(each) for each in compared]
        found += ['', *render.comparisons(name, rows)]
    return [*found, '', *limits(report, compared)]


def _write_page(
    file: str, report: Report, compared: Sequence[Comparison],
) -> None:
    good = complete(report)
    if good:
        html.write(file, page.lines(
            heading(report), [_scored(each) for each in good],
            [row_of(each) for each in compared], limits(report, compared),
        ))


def heading(report: Report) -> str:
    evaluator, first = report.evaluator, report.asked[0]
    better = 'less' if report.less_is_better else 'more'
    path = words.printable(report.results[0].version.path)
    parts = [
        f'{path}: {words.printable(report.metric)} ({better} is better)',
        f'evaluator "{words.printable(evaluator.name)}"', f'{first.folds} folds',
        f'seed {evaluator.seed}',
    ]
    if evaluator.repeats > 1:
        parts.insert(3, f'{evaluator.repeats} repeats')
    return ', '.join(parts)


def _scored(each: Scores) -> render.Scored:
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
