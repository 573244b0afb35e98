"""Say which commit last changed each tensor of a model, when, who and how.

As in git blame: what a parent has is the parent's, so that only what a merge
combined is the merge's own. How: merged by which method, with which weights where
rules gave some (the trailer Model-Merge tells; nothing is said of what it leaves open),
reverts or picked from which commit, rewritten (a rebase, a cherry-pick or git commit
--amend: the author's date is another than the committer's); nothing is said of what was
simply committed. A first commit has "^" in front. Without a revision, what is not
committed yet is said, too.
"""
from __future__ import annotations

import argparse
import fnmatch
import json
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

from git_model_driver.cli import faces
from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.filters.filter import Filter
from git_model_driver.git import ancestry
from git_model_driver.git import worktree
from git_model_driver.git.ancestry import Commit
from git_model_driver.git.progress import Meter
from git_model_driver.history import blame
from git_model_driver.history import parts
from git_model_driver.history.blame import Origin
from git_model_driver.history.how import How
from git_model_driver.history.how import Reasons
from git_model_driver.history.parts import Versions
from git_model_driver.render import history
from git_model_driver.render import table
from git_model_driver.render.face import Face
from git_model_driver.render.table import Cell
from git_model_driver.render.table import Row

_UNCOMMITTED = '0' * 8
_COLUMNS = (table.LEFT, table.Column(cut=True, gap=' '), table.LEFT, table.NAME,
            table.RIGHT)


class Subject(NamedTuple):
    """What is asked: a path from the top, a commit, which tensors; ``here`` where
    the worktree is part of the question.
    """

    path: str
    revision: str
    globs: tuple[str, ...]
    here: bool


class Answer(NamedTuple):
    """``commit`` and ``how`` are None for what is not committed yet."""

    tensor: str
    origin: Origin
    commit: Commit | None
    how: How | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('path', help='the model, or <revision>:<path>')
    parser.add_argument('globs', nargs='*', metavar='<tensor>',
                        help='only tensors whose names match one of these globs; the '
                             'last may be a revision (default: HEAD and the worktree)')
    parser.add_argument('--group', action='store_true',
                        help='a line for each layer and commit, with the number of '
                             'its tensors')
    parser.add_argument('--date', metavar='<format>', default='short',
                        help='as in git log (default: short)')
    parser.add_argument('--json', action='store_true', help='print one document')
    faces.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    with Filter() as filter_, Versions() as versions:
        subject = _subject(args, filter_)
        answers = _answers(subject, args.date, filter_, versions)
    if args.json:
        print(json.dumps(_document(subject, answers), indent=2))
        return 0
    with faces.paged(args, 'blame') as face:
        rows = _grouped(answers) if args.group else _each(answers)
        for line in _lines(list(rows), face):
            print(line)
    return 0


def _subject(args: argparse.Namespace, filter_: Filter) -> Subject:
    *globs, last = [*args.globs] or ['']
    revision, colon, path = args.path.partition(':')
    commit = ancestry.resolve(revision) if colon else None
    if commit is None:
        colon, path = '', args.path
        commit = ancestry.resolve(last) if last and '*' not in last else None
        if commit is None:
            globs += [last] * bool(last)
        here = commit is None
    else:
        here, globs = False, args.globs
    is_from_here = not colon or path.startswith(('./', '../'))
    if filter_.repository.top is not None and is_from_here:
        path = worktree.from_top(path, filter_.repository)
    head = commit or ancestry.resolve('HEAD')
    if head is None:
        raise GitModelError('there is no commit yet', 'make one with "git commit"')
    here = here and filter_.repository.top is not None
    return Subject(path, head, tuple(globs), here)


def _answers(
    subject: Subject, date: str, filter_: Filter, versions: Versions,
) -> list[Answer]:
    committed = parts.named(versions.lines(
        ancestry.blob_at(subject.revision, subject.path),
    ))
    lines = _in_worktree(subject, filter_) if subject.here else committed
    lines = lines or committed
    if not lines:
        raise GitModelError(
            f"'{subject.path}' is no model in '{subject.revision[:8]}'",
            'see which there are with "git model ls-files <revision>"',
        )
    names = [name for name in lines if _is_wanted(name, subject.globs)]
    if not names:
        raise UsageError(
            f"no tensor of '{subject.path}' matches {' or '.join(subject.globs)}",
            'see their names with "git model ls-files -t"',
        )
    old = {name: lines[name] for name in names if lines[name] == committed.get(name)}
    with Meter('Blaming tensors', len(old)) as meter:
        found = blame.origins(old, subject.revision, subject.path, versions, meter)
    said = ancestry.commits({origin.commit for origin in found.values()},
                            f'--date={date}')
    reasons = Reasons()
    return [_answer(name, found.get(name), said, reasons, subject) for name in names]


def _in_worktree(subject: Subject, filter_: Filter) -> dict[str, bytes]:
    if not any(e.path == subject.path for e in worktree.models(filter_.repository)):
        return {}
    manifest = filter_.worktree_manifest(subject.path)
    return parts.named(parts.lines_of(manifests.serialize(manifest).encode()))


def _is_wanted(name: str, globs: tuple[str, ...]) -> bool:
    return not globs or any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def _answer(
    name: str, origin: Origin | None, said: dict[str, Commit], reasons: Reasons,
    subject: Subject,
) -> Answer:
    if origin is None:
        return Answer(name, Origin('', subject.path), None, None)
    commit = said[origin.commit]
    return Answer(name, origin, commit, reasons.of(commit, origin.path, name))


def _lines(rows: list[Row], face: Face) -> Iterator[str]:
    yield from table.lines(rows, _COLUMNS, face)


def _each(answers: list[Answer]) -> Iterator[Row]:
    for answer in answers:
        yield *_front(answer), words.printable(answer.tensor or history.WHOLE)


def _grouped(answers: list[Answer]) -> Iterator[Row]:
    """By layer, then by commit in the order in which the tensors have them."""
    layers: dict[str, dict[str, list[Answer]]] = {}
    for answer in answers:
        layer = layers.setdefault(words.group(answer.tensor) or answer.tensor, {})
        layer.setdefault(answer.origin.commit, []).append(answer)
    for name, commits in layers.items():
        total = sum(map(len, commits.values()))
        for some in commits.values():
            count = f'{len(some)} of {total}'
            yield *_front(some[0]), words.printable(name), count


def _front(answer: Answer) -> tuple[Cell, Cell, Cell]:
    if answer.commit is None or answer.how is None:
        return Cell(_UNCOMMITTED, 'diff.commit'), Cell('(Not Committed Yet)'), Cell('')
    commit = answer.commit
    short = commit.oid[:8] if commit.parents else f'^{commit.oid[:7]}'
    said = words.printable(f'({commit.author} {commit.date} {commit.subject})')
    return Cell(short, 'diff.commit'), Cell(said), Cell(history.how(answer.how))


def _document(subject: Subject, answers: list[Answer]) -> dict[str, Any]:
    return {
        'version': 1, 'path': subject.path, 'revision': subject.revision,
        'tensors': [_described(answer) for answer in answers],
    }


def _described(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {
        'name': answer.tensor, 'group': words.group(answer.tensor), 'commit': None,
    }
    if answer.commit is None or answer.how is None:
        return described
    commit, how = answer.commit, answer.how
    return {
        **described, 'commit': commit.oid, 'path': answer.origin.path,
        'author': {'name': commit.author, 'email': commit.email},
        'date': commit.written, 'subject': commit.subject,
        'how': history.document(how),
    }
