"""How versions came to be, in words."""
from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from git_model_driver.core import words
from git_model_driver.evaluation import statistics
from git_model_driver.evaluation.records import Record
from git_model_driver.git.ancestry import Commit
from git_model_driver.history import changes as kinds
from git_model_driver.history import how as hows
from git_model_driver.history.changes import Model
from git_model_driver.history.how import How
from git_model_driver.looking.comparison import Comparison
from git_model_driver.render import changes
from git_model_driver.render.amounts import plural
from git_model_driver.render.face import Face

WHOLE = '(the whole file)'
_SHORT = 8
_VERBS = {hows.REVERTED: 'reverts', hows.PICKED: 'picked from'}
_WORDS = {kinds.MODIFIED: 'changed', kinds.ADDED: 'added', kinds.DELETED: 'deleted'}
_SLOTS = {kinds.ADDED: 'diff.new', kinds.DELETED: 'diff.old', kinds.MODIFIED: ''}


def how(found: How) -> str:
    """``merged by linear (0.7 0.3)``; '' for what was simply committed."""
    if found.kind == hows.COMMITTED:
        return ''
    if found.of:
        return f'{_VERBS[found.kind]} {found.of[:_SHORT]}'
    said = found.kind
    if found.methods:
        said += f' by {words.printable(" or ".join(found.methods))}'
    if found.weights is not None:
        said += f' ({" ".join(f"{weight:g}" for weight in found.weights)})'
    return said


def document(found: How) -> dict[str, Any]:
    return {
        'kind': found.kind, 'methods': list(found.methods), 'weights': found.weights,
        'of': found.of or None, 'note': found.note or None,
    }


def heading(commit: Commit, face: Face) -> Iterator[str]:
    """As git log has it."""
    yield face.paint(f'commit {commit.oid}', 'diff.commit')
    if len(commit.parents) > 1:
        yield f'Merge: {" ".join(parent[:_SHORT] for parent in commit.parents)}'
    yield words.printable(f'Author: {commit.author} <{commit.email}>')
    yield words.printable(f'Date:   {commit.date}')
    yield ''
    for line in commit.message.rstrip('\n').split('\n'):
        yield f'    {words.printable(line)}'
    yield ''


def oneline(commit: Commit, face: Face) -> str:
    short = face.paint(commit.oid[:_SHORT], 'diff.commit')
    return f'{short} {words.printable(commit.subject)}'


def model(
    found: Model, came: How, face: Face, scores: Sequence[Record] = (),
) -> str:
    """``  m.safetensors   3 of 291 tensors changed   merged by linear``, and scores."""
    old, new = (words.printable(p) for p in (found.file.old_path, found.file.path))
    path = new if old == new else f'{old} => {new}'
    parts = [face.paint(path, 'diff.meta'), counts(found), how(came)]
    parts.append(', '.join(map(score, scores)))
    return '  ' + '   '.join(filter(None, parts))


def score(record: Record) -> str:
    """``0.9125 sd 0.0031 accuracy (5, my-evaluator)``: mean, sd of so many folds."""
    found = record.scores[record.metric]
    said = f'{statistics.mean(found):.4g}'
    if len(found) > 1:
        said += f' sd {statistics.deviation(found):.2g}'
    name, evaluator = words.printable(record.metric), words.printable(record.evaluator)
    return f'{said} {name} ({len(found)}, {evaluator})'


def counts(found: Model) -> str:
    if not any(found.file.olds):
        return f'new, {plural(found.total, "tensor")}'
    if found.file.new is None:
        return f'deleted, {plural(found.total, "tensor")}'
    if not found.total:
        return 'changed, no tensors'
    said = [
        f'{found.count(letter)} {word}' for letter, word in _WORDS.items()
        if found.count(letter)
    ]
    if said:
        number, word = said[0].split(' ')
        said[0] = f'{number} of {plural(found.total, "tensor")} {word}'
        return ', '.join(said)
    moved = found.file.old_path != found.file.path
    return 'renamed' if moved else 'no tensor of its own'


def tensors(found: Model, limit: int | None, face: Face) -> Iterator[str]:
    """A line for each; of a whole new or deleted model none, of many the first."""
    if found.file.new is None or not any(found.file.olds):
        if limit is not None:
            return
    for letter, name in found.tensors[:limit]:
        shown = words.encode(name) if name else WHOLE
        yield face.paint(f'    {letter} {shown}', _SLOTS[letter])
    left = len(found.tensors) - len(found.tensors[:limit])
    if left:
        yield f"    and {left} more (all: --tensor='*')"


def patch(compared: Comparison, face: Face) -> Iterator[str]:
    """How much each changed."""
    for line in changes.tensors(compared, changes.DEFAULT_METRICS, face):
        yield f'  {line}'
