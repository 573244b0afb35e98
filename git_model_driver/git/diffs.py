"""Which files differ, as ``git diff --raw`` has it for any of git diff's arguments."""
from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core import words
from git_model_driver.core.errors import GitError
from git_model_driver.core.errors import UsageError
from git_model_driver.git import run

UNMERGED = 'U'


class Pair(NamedTuple):
    """A file on both sides. A blob is None where that side has none, and '' where it
    is the file of the worktree; paths are from the top.
    """

    kind: str               # A, D, M, R, C, T, U
    old_path: str
    path: str
    old: str | None
    new: str | None


def pairs(arguments: Sequence[str]) -> list[Pair]:
    """Raises GitError with git's own words, UsageError; the order is git's.

    A file of the worktree may be what it was, and only have another time: to see
    whether it is git would map all of it into memory.
    """
    try:
        records = run.zsplit(
            '-c', 'diff.relative=false', '-c', 'diff.autoRefreshIndex=false',
            'diff', '--raw', '-z', '--no-abbrev',
            '--no-ext-diff', '--no-color', '-M', '--ignore-submodules', *arguments,
        )
    except GitError as e:
        if not e.message.startswith('usage: '):
            raise
        raise UsageError(        # without its hundred lines
            f"git diff does not take '{words.printable(' '.join(arguments))}'",
            'see what it takes with "git diff -h"',
        ) from None
    found, fields = [], iter(records)
    for record in fields:
        if not record.startswith(b':') or record.startswith(b'::'):
            continue        # of a merge, or what an option of the user's adds
        old_mode, new_mode, old, new, kind = record[1:].decode().split(' ')
        old_path = path = os.fsdecode(next(fields))
        if kind[0] in 'RC':
            path = os.fsdecode(next(fields))
        found.append(Pair(
            kind[0], old_path, path, _blob(old_mode, old), _blob(new_mode, new),
        ))
    return found


def _blob(mode: str, oid: str) -> str | None:
    if not mode.startswith('100'):
        return None         # nothing, a link or a submodule
    return '' if set(oid) == {'0'} else oid


def sides(arguments: Sequence[str]) -> tuple[str, str]:
    """What the arguments compare: commits, or ``index`` or ``worktree`` in words."""
    given = list(arguments)
    if '--' in given:
        given = given[:given.index('--')]
    cached = bool({'--cached', '--staged'} & set(given))
    is_reversed = '-R' in given
    listed = run.attempt('rev-parse', '--revs-only', *given).out.decode().split()
    given = [word for word in listed if not word.startswith(('-', '^'))]
    excluded = [word[1:] for word in listed if word.startswith('^')]
    if excluded and given:      # A..B; of A...B what both come from
        old, new = excluded[0], given[0]
    elif len(given) > 1:
        old, new = given[0], given[1]
    elif given:
        old, new = given[0], 'index' if cached else 'worktree'
    else:
        old, new = ('HEAD', 'index') if cached else ('index', 'worktree')
    return (new, old) if is_reversed else (old, new)
