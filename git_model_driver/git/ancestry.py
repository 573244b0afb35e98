"""The versions of one path in the commits before a revision, and what commits say."""
from __future__ import annotations

import os
from collections.abc import Collection
from collections.abc import Iterator
from typing import NamedTuple
from typing import Optional

from git_model_driver.git import run
from git_model_driver.git import worktree

PLAIN = ('-c', 'log.showRoot=true', '-c', 'log.showSignature=false')
FIELDS = ('%H', '%P', '%aN', '%aE', '%aI', '%ad', '%cI', '%s', '%B',
           '%(trailers:key=Model-Merge,valueonly,unfold)')
_NOTHING = b'0'         # an object id of zeros: there is no such file


class Node(NamedTuple):
    """A commit that changed a path, or a merge; ``blob`` None where it has none.

    ``parents`` are the nearest ancestors that are such commits themselves.
    """

    commit: str
    parents: tuple[str, ...]
    blob: Optional[str]


class Commit(NamedTuple):
    """What a commit says. ``written`` and ``applied`` are the author's and the
    committer's time in ISO 8601, ``date`` the author's as ``--date=`` asked for it.
    ``merges`` are the values of its Model-Merge trailers.
    """

    oid: str
    parents: tuple[str, ...]
    author: str
    email: str
    written: str
    date: str
    applied: str
    subject: str
    message: str
    merges: tuple[str, ...]


def of_path(revision: str, path: str) -> list[Node]:
    """What led to the path at a revision, children before their parents."""
    fields = run.zsplit(
        *PLAIN, 'log', '--full-history', '--parents', '--topo-order', '-m', '--raw',
        '-z', '--no-abbrev', '--no-renames', '--no-color', '--no-notes',
        '--format=%x01%H %P', revision, '--', f':(top,literal){path}',
    )
    parents: dict[str, tuple[str, ...]] = {}
    blobs: dict[str, str | None] = {}
    commit, rest = '', iter(fields)
    for field in rest:
        if field.lstrip(b'\n').startswith(b'\x01'):
            commit, *others = field.decode().strip('\n\x01').split()
            parents[commit] = tuple(others)
        elif field.lstrip(b'\n').startswith(b':'):
            new = field.split()[3]
            blobs[commit] = new.decode() if new.strip(_NOTHING) else None
            next(rest)      # the path
    for commit in reversed(parents):
        if commit not in blobs:     # a merge in which nothing differs
            blobs[commit] = next(filter(None, map(blobs.get, parents[commit])), None)
    return [Node(commit, parents[commit], blobs[commit]) for commit in parents]


def renamed_from(commit: str, path: str) -> Iterator[tuple[str, str]]:
    """For a commit that has a new path: parents, and what it was called there."""
    for parent in run.text('rev-parse', f'{commit}^@').split():
        fields = run.zsplit(
            'diff-tree', '-r', '-z', '-M', '--diff-filter=R', parent, commit,
        )
        for old, new in zip(fields[1::3], fields[2::3]):
            if os.fsdecode(new) == path:
                yield parent, os.fsdecode(old)


def commits(oids: Collection[str], *options: str) -> dict[str, Commit]:
    """What these commits say; ``options`` are git log's, ``--date=`` for instance."""
    if not oids:
        return {}
    fields = run.output(
        *PLAIN, 'log', '--no-walk=unsorted', '--stdin', '-z', '--no-color',
        '--no-notes', '-s', f'--format={"%x00".join(FIELDS)}', *options,
        input=''.join(f'{oid}\n' for oid in oids).encode(),
    ).decode(errors='replace').removesuffix('\0').split('\0')
    count = len(FIELDS)
    records = (fields[i:i + count] for i in range(0, len(fields), count))
    return {record[0]: commit_of(record) for record in records}


def commit_of(record: list[str]) -> Commit:
    """From the values of FIELDS."""
    oid, parents, *said, trailers = record
    author, email, written, date, applied, subject, message = said
    return Commit(oid, tuple(parents.split()), author, email, written, date, applied,
                  subject, message, tuple(filter(None, trailers.split('\n'))))


def blob_at(revision: str, path: str) -> str | None:
    """The blob of a regular file in a commit, None if there is none."""
    records = run.zsplit('ls-tree', '-z', '--full-tree', revision, '--', path)
    for record in records:
        mode, _, oid = record.partition(b'\t')[0].decode().split()
        if mode in worktree.REGULAR_FILES:
            return oid
    return None


def resolve(revision: str) -> str | None:
    """The commit that a revision names, None if it names none."""
    done = run.attempt(
        'rev-parse', '--verify', '-q', '--end-of-options', f'{revision}^{{commit}}',
    )
    return done.out.decode().strip() if done.code == 0 else None
