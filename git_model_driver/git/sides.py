"""Which commits git is merging when it calls a merge driver.

Git says it to nobody: what there is to go by differs from operation to operation
(environment, pseudo-refs, state files, the calling git's arguments). So each of
these suggests scenes, and a scene is believed for the sides where its commits
hold the very blobs that the driver was given.
"""
from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple
from typing import Optional
from typing import Union

from git_model_driver.git import caller
from git_model_driver.git import run
from git_model_driver.git import trees

# The oid of a side's file, or its content; None where the side has none.
Blob = Union[str, bytes, None]

# Options that take the next word: of git itself, of its commands, of some of them.
_BEFORE_VERB = frozenset('-C -c --git-dir --work-tree --namespace --config-env'.split())
_WITH_VALUE = frozenset(
    '--message -F --file --strategy -X --strategy-option --into-name --cleanup '
    '--mainline -b -B -C --orphan'.split(),
)
_OF_VERB = {
    'merge': frozenset({'-m', '-s'}), 'cherry-pick': frozenset({'-m'}),
    'revert': frozenset({'-m'}), 'switch': frozenset({'-c'}),
}
# Their values are commits.
_COMMITS = ('--onto', '--merge-base', '--advance')
_PARENTS = ('^1', '^2')
_FOUND = re.compile(b'([0-9a-f]{40}|[0-9a-f]{64}) (?:blob|commit|tree) [0-9]+')
_STASH_ENTRY = re.compile('[0-9]+')


class Place(NamedTuple):
    """A side's commit, and where the file is in it (a rename may have moved it)."""

    commit: str
    path: str


class Scene(NamedTuple):
    """What git may be merging: revisions of each side, the likeliest first."""

    base: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]


Places = tuple[Optional[Place], Optional[Place], Optional[Place]]


def find(path: str, blobs: Sequence[Blob]) -> Places:
    """Base's, ours' and theirs' place, each None where it cannot be told.

    ``path`` is that of the result, ``blobs`` are the three sides' files.
    """
    scenes = list(_scenes())
    trees = _Trees(path, {rev for scene in scenes for side in scene for rev in side})
    wanted = [trees.oid(blob) for blob in blobs]
    found: list[Places] = []
    for search in (trees.at_path, trees.anywhere):
        for scene in scenes:
            places = [
                search(revisions, blob) for revisions, blob in zip(scene, wanted)
            ]
            found.append((places[0], places[1], places[2]))
        best = max(found, key=_known, default=(None, None, None))
        if _known(best) == sum(blob is not None for blob in wanted):
            break
    return best


def _known(places: Places) -> int:
    return sum(place is not None for place in places)


class _Trees:
    """What the suggested revisions hold; one process says it for all of them."""

    def __init__(self, path: str, revisions: set[str]) -> None:
        self.path = path
        names = sorted(rev for rev in revisions if rev and '\n' not in rev)
        asked = [f'{rev}^{{commit}}' for rev in names]
        if '\n' not in path:
            asked += [f'{rev}:{path}' for rev in names]
        answer = run.output(
            'cat-file', '--batch-check', input=os.fsencode('\n'.join(asked) + '\n'),
        )
        oids = [
            found[1].decode() if found else None
            for found in map(_FOUND.fullmatch, answer.split(b'\n')[:-1])
        ]
        self._commits = dict(zip(names, oids))
        self._blobs = dict(zip(names, oids[len(names):]))
        self._listed: dict[str, dict[str, list[str]]] = {}

    def oid(self, blob: Blob) -> str | None:
        """The name that this repository has for a file's content."""
        if not blob or isinstance(blob, str):
            return blob or None
        lengths = {len(commit) for commit in self._commits.values() if commit}
        new = hashlib.sha256 if lengths == {64} else hashlib.sha1
        return new(b'blob %d\0%b' % (len(blob), blob)).hexdigest()

    def at_path(self, revisions: Sequence[str], blob: str | None) -> Place | None:
        for rev in revisions:
            commit = self._commits.get(rev)
            if commit and blob and self._blobs.get(rev) == blob:
                return Place(commit, self.path)
        return None

    def anywhere(self, revisions: Sequence[str], blob: str | None) -> Place | None:
        """Where the blob is: here, else as near as can be (git renamed the file)."""
        place = self.at_path(revisions, blob)
        for rev in revisions:
            commit = self._commits.get(rev)
            if place is None and commit and blob:
                paths = self._list(commit).get(blob)
                place = Place(commit, min(paths, key=self._far)) if paths else None
        return place

    def _far(self, path: str) -> tuple[bool, bool, str]:
        (folder, name), (here, own) = os.path.split(path), os.path.split(self.path)
        return folder != here, name != own, path

    def _list(self, commit: str) -> dict[str, list[str]]:
        if commit not in self._listed:
            paths: dict[str, list[str]] = {}
            for entry in trees.entries(commit):
                paths.setdefault(entry.oid, []).append(entry.path)
            self._listed[commit] = paths
        return self._listed[commit]


def _scenes() -> Iterator[Scene]:
    """In the order of how much they know about this very call."""
    for name in os.environ:
        if name.startswith('GITHEAD_'):
            yield from _merged('HEAD', name.removeprefix('GITHEAD_'))
    verb, revisions = _asked_for()
    folder = run.text('rev-parse', '--git-dir')
    queued = list(_queued(folder))
    if verb == 'merge-tree':
        yield from _by_merge_tree(revisions)
    elif verb == 'stash':
        yield from map(_picked, _stashes(revisions))
    elif verb in ('checkout', 'switch'):
        # -m carries the worktree's changes to another commit.
        yield from (Scene(('HEAD',), (rev,), ()) for rev in revisions)
    elif verb == 'replay':
        yield from _replayed(revisions)
    elif verb in ('cherry-pick', 'revert'):
        of_argument = [_carried(verb, rev) for rev in revisions]
        # With several arguments git notes which one it is at.
        yield from of_argument + queued if len(revisions) == 1 else queued + of_argument
    yield from _in_progress(queued)


def _in_progress(queued: Sequence[Scene]) -> Iterator[Scene]:
    """What was begun by an earlier command, and refs/stash when all else fails."""
    merging = run.attempt('rev-parse', '-q', '--verify', 'MERGE_HEAD')
    if merging.code == 0:
        yield from _merged('HEAD', merging.out.decode().strip())
    yield _picked('CHERRY_PICK_HEAD')
    yield _carried('revert', 'REVERT_HEAD')
    yield from queued
    yield _picked('REBASE_HEAD')
    yield _picked('refs/stash')


def _asked_for() -> tuple[str, list[str]]:
    """The calling git's command, and those of its words that may be revisions.

    ``--onto x`` is one word: ``--onto=x``.
    """
    words = iter(caller.arguments()[1:])
    verb = ''
    for word in words:
        if word in _BEFORE_VERB:
            next(words, '')
        elif not word.startswith('-'):
            verb = word
            break
    with_value = _WITH_VALUE | _OF_VERB.get(verb, frozenset())
    found: list[str] = []
    for word in words:
        if word == '--':
            break
        if word in with_value:
            next(words, '')
        elif word in _COMMITS:
            found.append(f'{word}={next(words, "")}')
        elif word == '-':
            found.append('@{-1}')
        elif word.partition('=')[0] in _COMMITS or word[:1] not in ('', '-'):
            found.append(word)
    return verb, found


def _picked(rev: str) -> Scene:
    """The change from a parent to the commit, carried to HEAD."""
    return Scene(tuple(rev + parent for parent in _PARENTS), ('HEAD',), (rev,))


def _carried(verb: str, rev: str) -> Scene:
    base, ours, theirs = _picked(rev)
    return Scene(theirs, ours, base) if verb == 'revert' else Scene(base, ours, theirs)


def _merged(ours: str, theirs: str) -> Iterator[Scene]:
    bases = run.attempt('merge-base', '--all', ours, theirs).out.decode().split()
    yield Scene(tuple(bases), (ours,), (theirs,))


def _by_merge_tree(words: Sequence[str]) -> Iterator[Scene]:
    given = [w.partition('=')[2] for w in words if w.startswith('--merge-base=')]
    sides = [word for word in words if not word.startswith('-')]
    for ours, theirs in itertools.pairwise(sides):
        if given:
            yield Scene((given[0],), (ours,), (theirs,))
        else:
            yield from _merged(ours, theirs)


def _stashes(words: Sequence[str]) -> Iterator[str]:
    """``git stash pop 1``, ``apply stash@{1}``; refs/stash where none is named."""
    for word in words[1:]:
        yield f'stash@{{{word}}}' if _STASH_ENTRY.fullmatch(word) else word


def _replayed(words: Sequence[str]) -> Iterator[Scene]:
    """Commits that git replay builds upon are known to nobody yet but the first."""
    onto = [word.partition('=')[2] for word in words if word.startswith('-')]
    ranges = [word for word in words if not word.startswith('-')]
    listed = run.attempt('rev-list', '--reverse', *ranges, '--').out.decode().split()
    for rev in listed:
        yield _picked(rev)._replace(ours=tuple(onto))


def _queued(folder: str) -> Iterator[Scene]:
    """The step that a rebase, or a row of picks or reverts, is at."""
    steps = (
        _lines(f'{folder}/rebase-merge/done')[-1:]
        + _lines(f'{folder}/sequencer/todo')[:1]
    )
    for line in steps:
        words = [word for word in line.split() if word not in ('-C', '-c')]
        if len(words) > 1:
            yield _carried(words[0], words[1])
    for line in _lines(f'{folder}/rebase-apply/original-commit')[:1]:
        yield _picked(line)


def _lines(file: str) -> list[str]:
    try:
        with open(file, encoding='utf-8', errors='replace') as lines:
            return [line.strip() for line in lines if line.strip()]
    except OSError:
        return []
