"""Show the commits that changed models: which tensors, how many, and how.

Takes what "git log" takes to choose commits: ranges, --since, --author, --grep, --all,
--reverse, paths. Of a merge it shows what no parent has. How: merged by which method,
reverts or picked from which commit, rewritten by a rebase, a cherry-pick or an
amended commit.
"""
from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from typing import Any
from typing import NamedTuple

from git_model_driver.cli import faces
from git_model_driver.cli import splitting
from git_model_driver.core.choice import Choice
from git_model_driver.core.errors import UsageError
from git_model_driver.filters.filter import Filter
from git_model_driver.git import logs
from git_model_driver.git.ancestry import Commit
from git_model_driver.git.repository import Repository
from git_model_driver.history import changes
from git_model_driver.history.changes import Model
from git_model_driver.history.how import How
from git_model_driver.history.how import Reasons
from git_model_driver.history.parts import Versions
from git_model_driver.looking import comparison
from git_model_driver.looking import pairs
from git_model_driver.looking.comparison import Comparison
from git_model_driver.render import history
from git_model_driver.render.face import Face

_NAMES = 10     # tensors of a model, where none is asked for by name
_OURS = ('--tensor', '--html', '--json', '--oneline', '-p', '--patch', '--color',
         '--no-color', '-n', '--max-count', '-h', '--help')
_WITH_VALUE = ('--tensor', '-n', '--max-count')
# What these print is git's to print.
_FORMATS = (
    '--graph', '--format', '--pretty', '--stat', '--numstat', '--shortstat', '--raw',
    '--name-only', '--name-status', '--patch-with-stat', '--summary', '--follow', '-L',
    '-z', '-c', '--cc', '-m', '-g', '--walk-reflogs', '--no-walk', '-s', '--no-patch',
)


class Step(NamedTuple):
    """A commit, the models that it changed, and how each came."""

    commit: Commit
    models: Sequence[tuple[Model, How]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--tensor', metavar='<glob>', action='append', default=[],
                        help='only commits that changed tensors of such names')
    parser.add_argument('-n', '--max-count', type=int, metavar='<n>',
                        help='only so many commits')
    parser.add_argument('--oneline', action='store_true', help='a line for each commit')
    parser.add_argument('-p', '--patch', action='store_true',
                        help='how much each tensor changed, as git model diff says; '
                             'of a merge, beside its first parent')
    parser.add_argument('--json', action='store_true', help='print one document')
    faces.add_arguments(parser)
    parser.add_argument('ignored', nargs='*', metavar='<what git log takes>',
                        help='commits, ranges, paths, options that choose commits')


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    return splitting.split(arguments, _own, _WITH_VALUE)


def _own(word: str) -> str | None:
    if word[:1] == '-' and word[1:].isdecimal():
        return f'-n{word[1:]}'
    is_ours = word.partition('=')[0] in _OURS or (
        word.startswith('-n') and word[2:].isdecimal()
    )
    return word if is_ours else None


def run(args: argparse.Namespace) -> int:
    _check(args.gits)
    chosen = Choice(tensors=tuple(args.tensor)).has_tensor if args.tensor else None
    with Filter() as filter_, Versions() as versions:
        gits = _limited(args.gits, filter_.repository)
        with closing(_steps(gits, chosen, versions)) as steps:
            some = islice(steps, args.max_count)
            if args.json:
                documents = [_document(step) for step in some]
                print(json.dumps({'version': 1, 'commits': documents}, indent=2))
                return 0
            _print(args, some, filter_)
    return 0


def _check(arguments: Sequence[str]) -> None:
    for word in arguments:
        if word == '--':
            return
        if word.partition('=')[0] in _FORMATS or word.startswith('-L'):
            raise UsageError(
                f"'git model log' has no '{word}'", f'"git log {word}" has',
            )


def _limited(arguments: Sequence[str], repository: Repository) -> list[str]:
    """Paths are looked at where none is named: those that are models now."""
    has_path = '--' in arguments or any(
        not word.startswith('-') and os.path.lexists(word) for word in arguments
    )
    if has_path or repository.top is None:
        return list(arguments)
    return [*arguments, '--', ':(top,attr:filter=model)']


def _steps(
    arguments: Sequence[str], chosen: Callable[[str], bool] | None, versions: Versions,
) -> Generator[Step, None, None]:
    reasons = Reasons()
    with closing(logs.log(arguments)) as logged:
        for each in logged:
            found = [
                (model, reasons.of(each.commit, model.file.path))
                for model in changes.models(each, versions, chosen)
            ]
            if found:
                yield Step(each.commit, found)


def _print(args: argparse.Namespace, steps: Iterator[Step], filter_: Filter) -> None:
    limit = None if args.tensor else _NAMES
    with faces.paged(args, 'log') as face:
        for number, step in enumerate(steps):
            if args.oneline:
                print(history.oneline(step.commit, face))
            else:
                print(*[''] * bool(number), *history.heading(step.commit, face),
                      sep='\n')
            for model, how in step.models:
                for line in _lines(args, model, how, limit, face, filter_):
                    print(line)


def _lines(
    args: argparse.Namespace, model: Model, how: How, limit: int | None, face: Face,
    filter_: Filter,
) -> Iterator[str]:
    yield history.model(model, how, face)
    if args.patch:
        compared = _compared(model, args.tensor, filter_)
        yield from history.patch(compared, face)
    elif not args.oneline:
        yield from history.tensors(model, limit, face)


def _compared(model: Model, globs: Sequence[str], filter_: Filter) -> Comparison:
    old, new = pairs.manifests_of(model.file.olds[0], model.file.new, model.file.path,
                                  filter_)
    chosen = Choice(tensors=tuple(globs)).has_tensor
    return comparison.compare(old, new, filter_.store, chosen, ranks=False)


def _document(step: Step) -> dict[str, Any]:
    commit = step.commit
    return {
        'commit': commit.oid, 'parents': list(commit.parents),
        'author': {'name': commit.author, 'email': commit.email},
        'date': commit.written, 'subject': commit.subject,
        'models': [
            {
                'path': model.file.path, 'old_path': model.file.old_path,
                'blob': model.file.new, 'tensor_count': model.total,
                'how': history.document(how),
                'tensors': [
                    {'status': letter, 'name': name or None}
                    for letter, name in model.tensors
                ],
            } for model, how in step.models
        ],
    }
