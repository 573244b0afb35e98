"""Show the commits that changed models: which tensors, how many, and how.

Takes what "git log" takes to choose commits: ranges, --since, --author, --grep, --all,
--reverse, paths. Of a merge it shows what no parent has. How: merged by which method,
reverts or picked from which commit, rewritten by a rebase, a cherry-pick or an
amended commit. Behind it is what git model evaluate has noted of the version.
"""
from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Generator
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from typing import Any
from typing import NamedTuple

from git_model_driver.cli import faces
from git_model_driver.cli import html
from git_model_driver.cli import splitting
from git_model_driver.core.choice import Choice
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import UsageError
from git_model_driver.evaluation.records import Noted
from git_model_driver.evaluation.records import Record
from git_model_driver.filters.filter import Filter
from git_model_driver.filters.filter import warn
from git_model_driver.git import logs
from git_model_driver.git import terminal
from git_model_driver.git.ancestry import Commit
from git_model_driver.git.progress import Meter
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
from git_model_driver.render.html import log as page

_NAMES = 10     # tensors of a model, where none is asked for by name
_VERSIONS = 200     # of a page
_OURS = ('--tensor', '--html', '--json', '--oneline', '-p', '--patch', '--color',
         '--no-color', '-n', '--max-count', '-h', '--help')
_WITH_VALUE = ('--tensor', '-n', '--max-count')
# What these print is git's to print.
_FORMATS = (
    '--graph', '--format', '--pretty', '--stat', '--numstat', '--shortstat', '--raw',
    '--name-only', '--name-status', '--patch-with-stat', '--summary', '--follow', '-L',
    '-z', '-c', '--cc', '-m', '-g', '--walk-reflogs', '--no-walk', '-s', '--no-patch',
)


class Version(NamedTuple):
    """A model that a commit changed, how it came, what is noted of its quality."""

    model: Model
    how: How
    scores: Sequence[Record]


class Step(NamedTuple):
    commit: Commit
    models: Sequence[Version]


class Comparer(NamedTuple):
    """What it takes to say how much tensors of these names changed."""

    globs: Sequence[str]
    filter_: Filter
    meter: Meter

    def compared(self, model: Model) -> Comparison | None:
        """Beside the first parent; None with a warning for a damaged manifest."""
        file = model.file
        try:
            old, new = pairs.manifests_of(
                file.olds[0], file.new, file.path, self.filter_,
            )
        except ManifestError as e:
            warn(e, 'how much it changed is left out')
            return None
        chosen = Choice(tensors=tuple(self.globs)).has_tensor
        return comparison.compare(
            old, new, self.filter_.store, chosen, ranks=False, meter=self.meter,
        )


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
    html.add_argument(parser, 'git-model-log.html')
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
    with Filter() as filter_, Versions() as versions, (
        Meter('Looking at commits')
    ) as meter:
        gits = _limited(args.gits, filter_.repository)
        if args.html:       # parents that are shown, and below their children
            gits = ['--parents', '--topo-order', *filter('--reverse'.__ne__, gits)]
        comparer = Comparer(args.tensor, filter_, meter.pulse())
        show = _html if args.html else _json if args.json else _print
        with closing(_steps(args, gits, versions, meter)) as steps:
            show(args, steps, comparer, meter)
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
    args: argparse.Namespace, gits: Sequence[str], versions: Versions, meter: Meter,
) -> Generator[Step, None, None]:
    """Commits that changed models; of a page merges, too, of which nothing is new."""
    chosen = Choice(tensors=tuple(args.tensor)).has_tensor if args.tensor else None
    reasons, noted = Reasons(), Noted(versions.blobs)
    with closing(logs.log(gits)) as logged:
        for each in logged:
            meter.add()
            found = [
                Version(model, reasons.of(each.commit, model.file.path),
                        noted.of(model.file.new))
                for model in changes.models(each, versions, chosen)
            ]
            if found or (args.html and len(each.commit.parents) > 1):
                yield Step(each.commit, found)


def _print(
    args: argparse.Namespace, steps: Iterator[Step], comparer: Comparer, meter: Meter,
) -> None:
    with faces.paged(args, 'log') as face:
        for number, step in enumerate(islice(steps, args.max_count)):
            # Lines of a step come when all of them are known.
            found = [line for each in step.models
                     for line in _lines(args, each, face, comparer)]
            if terminal.is_terminal():
                meter.stop()
            if args.oneline:
                print(history.oneline(step.commit, face))
            else:
                print(*[''] * bool(number), *history.heading(step.commit, face),
                      sep='\n')
            for line in found:
                print(line)


def _lines(
    args: argparse.Namespace, each: Version, face: Face, comparer: Comparer,
) -> Iterator[str]:
    yield history.model(each.model, each.how, face, each.scores)
    if args.patch:
        compared = comparer.compared(each.model)
        yield from history.patch(compared, face) if compared else ()
    elif not args.oneline:
        limit = None if args.tensor else _NAMES
        yield from history.tensors(each.model, limit, face)


def _html(
    args: argparse.Namespace, steps: Iterator[Step], comparer: Comparer, meter: Meter,
) -> None:
    wanted = _VERSIONS if args.max_count is None else args.max_count
    some = [
        page.Step(step.commit, [
            page.Version(each.model, each.how, _norm(each.model, comparer), each.scores)
            for each in step.models
        ]) for step in islice(steps, wanted)
    ]
    meter.stop()
    html.write(args.html, page.lines(some, next(steps, None) is not None))


def _norm(model: Model, comparer: Comparer) -> float | None:
    """Of the change, over all elements; None where there are no numbers."""
    compared = comparer.compared(model)
    tensors = compared.tensors if compared else ()
    sums = [each.change.sums for each in tensors if each.change]
    return math.sqrt(math.fsum(each.delta for each in sums)) if sums else None


def _json(
    args: argparse.Namespace, steps: Iterator[Step], comparer: Comparer, meter: Meter,
) -> None:
    documents = [_document(step) for step in islice(steps, args.max_count)]
    meter.stop()
    print(json.dumps({'version': 1, 'commits': documents}, indent=2))


def _document(step: Step) -> dict[str, Any]:
    commit = step.commit
    return {
        'commit': commit.oid, 'parents': list(commit.parents),
        'author': {'name': commit.author, 'email': commit.email},
        'date': commit.written, 'subject': commit.subject,
        'models': [_described(*each) for each in step.models],
    }


def _described(model: Model, how: How, scores: Sequence[Record]) -> dict[str, Any]:
    return {
        'path': model.file.path, 'old_path': model.file.old_path,
        'blob': model.file.new, 'tensor_count': model.total,
        'how': history.document(how),
        'evaluations': [record._asdict() for record in scores],
        'tensors': [
            {'status': letter, 'name': name or None} for letter, name in model.tensors
        ],
    }
