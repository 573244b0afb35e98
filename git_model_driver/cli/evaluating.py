"""Options that say by what models are evaluated, and how the work is done."""
from __future__ import annotations

import argparse
import os
from typing import Any

from git_model_driver.core.errors import UsageError
from git_model_driver.evaluation import evaluators
from git_model_driver.evaluation.evaluators import Evaluator
from git_model_driver.evaluation.workers import BACKENDS
from git_model_driver.evaluation.workers import CLUSTERS
from git_model_driver.evaluation.workers import Means
from git_model_driver.git.progress import Meter
from git_model_driver.git.repository import Repository


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('-e', '--evaluator', metavar='<name>',
                        help='the [model-eval "<name>"] of .gitmodel or git config')
    parser.add_argument('--command', metavar='<line>',
                        help='or a line for sh, with {path} {commit} {fold} {folds} '
                             '{seed} {out}; JSON on standard output or in {out}')
    parser.add_argument('--python', metavar='<module:function>',
                        help='or a Python function')
    parser.add_argument('--metric', metavar='<name>', help='the metric that decides')
    parser.add_argument('--direction', choices=('max', 'min'),
                        help='whether more of it is better, or less (default: max)')
    parser.add_argument('--model', metavar='<path>',
                        help="which model, or the folder that has it and what belongs "
                             'to it')
    parser.add_argument('-k', '--folds', type=int, metavar='<n>',
                        help='how many folds (default: 5)')
    parser.add_argument('--repeats', type=int, metavar='<n>',
                        help='how often the examples are split anew (default: 1)')
    parser.add_argument('--seed', type=int, metavar='<n>',
                        help='of the folds (default: 0)')
    parser.add_argument('--split', choices=('plain', 'stratified', 'grouped'),
                        help='how a Python function\'s examples are split')
    parser.add_argument('--fit', action='store_true', default=None,
                        help='something is fitted on the other folds: a test for that')
    parser.add_argument('--time-limit', metavar='<time>',
                        help='for each fold: 90, 15m, 2h (default: none)')
    parser.add_argument('-j', '--jobs', type=int, metavar='<n>',
                        help='how many folds at once; -1: all cores (default: 1, on a '
                             'cluster -1)')
    parser.add_argument('--backend', choices=BACKENDS,
                        help='where they run: here (loky), or on a cluster')
    parser.add_argument('--again', action='store_true',
                        help='ask again, even where the answer is known')


def evaluator_of(args: argparse.Namespace, repository: Repository) -> Evaluator:
    """What the options say. Raises RuleError and UsageError."""
    fields: dict[str, Any] = {
        name: value for name in ('metric', 'direction', 'folds', 'repeats', 'seed',
                                 'split', 'fit')
        if (value := getattr(args, name)) is not None
    }
    for name, low in (('folds', 1), ('repeats', 1), ('seed', 0)):
        if fields.get(name, low) < low:
            raise UsageError(f'--{name} is a whole number, {low} or more')
    if args.jobs == 0:
        raise UsageError('--jobs is a number of processes, or -1 for all cores')
    if args.model is not None:
        fields['path'] = model_of(args, repository)
    if args.time_limit is not None:
        try:
            fields['timeout'] = evaluators.seconds(args.time_limit)
        except ValueError as e:
            raise UsageError(f'--time-limit: {e}') from None
    if args.command or args.python:
        if args.evaluator:
            raise UsageError('--evaluator and a command of your own are two things')
        fields.update(command=args.command or '', python=args.python or '')
        return evaluators.checked(
            Evaluator('command line', trusted=True)._replace(**fields),
        )
    return evaluators.find(args.evaluator, repository)._replace(**fields)


def model_of(args: argparse.Namespace, repository: Repository) -> str:
    """The path that --model names, from the top; it is given from where we are."""
    if args.model is None or repository.top is None:
        return args.model or ''
    here = os.path.join(os.getcwd(), args.model)
    return os.path.relpath(os.path.normpath(here), os.path.realpath(repository.top))


def means_of(args: argparse.Namespace) -> Means:
    jobs = args.jobs or (-1 if args.backend in CLUSTERS else 1)
    return Means(jobs, args.backend or '', args.again, Meter('Evaluating').show)
