"""Everything that a repository may still need, as Git itself counts it, and more.

``git gc`` keeps what refs, reflogs and indexes of all worktrees reach. A merge, rebase
or cherry-pick in progress is written down in files besides; their commits count, too.
"""
from __future__ import annotations

import os
import re
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from git_model_driver.git import history
from git_model_driver.git import run
from git_model_driver.git.history import Found
from git_model_driver.git.repository import Repository

_OID = rb'\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b'     # compiled when needed
# Per worktree: what is being done, and where its own refs are.
_STATES = (
    '*_HEAD', 'HEAD', 'AUTO_MERGE', 'rebase-merge/*', 'rebase-apply/*', 'sequencer/*',
)
_OWN_REFS = 'refs/**/*'     # of a linked worktree; the main one's are everybody's
_LARGEST_STATE = 64 << 20
_ALL = ('--all', '--reflog', '--indexed-objects')


class Roots(NamedTuple):
    """Arguments for ``git rev-list`` and more revisions for its standard input."""

    arguments: tuple[str, ...]
    more: tuple[str, ...] = ()


def see_what_was_replaced() -> None:
    """Have git, from now on, look at objects that ``git replace`` hides: it may be
    undone. What they were replaced with is on refs.
    """
    os.environ['GIT_NO_REPLACE_OBJECTS'] = '1'


def everything(repository: Repository) -> Roots:
    """All refs, reflogs, indexes and operations in progress of all worktrees."""
    common = repository.common_dir
    named = set(_in_states(common, _STATES))
    for linked in (common / 'worktrees').glob('*/'):
        named.update(_in_states(linked, (*_STATES, _OWN_REFS)))
    return Roots(_ALL, tuple(_present(sorted(named))))


def _in_states(folder: Path, patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        for file in folder.glob(pattern):
            try:
                if file.is_file() and file.stat().st_size <= _LARGEST_STATE:
                    yield from (m.decode() for m in re.findall(_OID, file.read_bytes()))
            except OSError:
                continue


def _present(oids: Iterable[str]) -> Iterator[str]:
    asked = ''.join(f'{oid}\n' for oid in oids).encode()
    for line in run.output('cat-file', '--batch-check', input=asked).splitlines():
        words = line.split()
        if len(words) == 3:
            yield words[0].decode()


def manifests_of(roots: Roots) -> Iterator[Found]:
    """The manifests that the roots reach, each blob once, the newest commits' first.

    Raises GitError where Git cannot say: then nothing may be thought unneeded.
    """
    asked = ''.join(f'{oid}\n' for oid in roots.more).encode()
    listed = run.output(
        'rev-list', '--objects', history.BLOBS, '--stdin', *roots.arguments,
        input=asked,
    )
    return history.those_of(listed)
