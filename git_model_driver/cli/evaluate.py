"""Evaluate versions of a model on the same folds, and say what differs by chance.

Each version is written from the store to a read-only temporary folder; the worktree
is left alone. The evaluator says how good it is, fold by fold. Answers are kept: what
was interrupted goes on where it was, and nothing is asked twice. The results are noted
on the model (git notes --ref=model-eval), whichever commits have it.

Versions are compared with the first one. A command or function runs at the top of the
worktree (in a bare repository, where you are). Exit code 1 if some could not be
evaluated, 128 without leave to run the evaluator or where it cannot be used at all, 129
for what makes no sense.
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from git_model_driver.cli import evaluating
from git_model_driver.cli import html
from git_model_driver.cli import results
from git_model_driver.core import words
from git_model_driver.core.errors import UsageError
from git_model_driver.evaluation import evaluators
from git_model_driver.evaluation import permission
from git_model_driver.evaluation import records
from git_model_driver.evaluation import statistics
from git_model_driver.evaluation import versions
from git_model_driver.evaluation.runner import Report
from git_model_driver.evaluation.runner import evaluate
from git_model_driver.evaluation.scores import Comparison
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
        return _show_recorded(args, repository)
    evaluator = evaluating.evaluator_of(args, repository)
    wanted = _versions(args, evaluator.path)
    report = evaluate(
        evaluator, wanted, repository, store_of(repository), evaluating.means_of(args),
    )
    results.keep(report)
    compared = results.comparisons(report)
    if args.html:
        _write_page(args.html, report, compared)
    elif args.json:
        print(json.dumps(results.document(report, compared), indent=2))
    else:
        results.show(report, compared)
    results.tell_failures(report)
    return 1 if any(each.failures for each in report.results) else 0


def _versions(args: argparse.Namespace, path: str) -> list[Version]:
    return [versions.find(name, path) for name in args.revision or ['HEAD']]


def _show_recorded(args: argparse.Namespace, repository: Repository) -> int:
    wanted = _versions(args, evaluating.model_of(args, repository))
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


def _write_page(
    file: str, report: Report, compared: Sequence[Comparison],
) -> None:
    good = results.complete(report)
    if good:
        html.write(file, page.lines(
            results.heading(report), [results.scored(each) for each in good],
            [results.row_of(each) for each in compared],
            results.limits(report, compared),
        ))
