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

_OID = re.compile(rb'\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b')
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


class Worktree(NamedTuple):
    """``top`` is None where there are no files: in a bare repository, or gone."""

    git_dir: Path
    top: Path | None


def worktrees(repository: Repository) -> list[Worktree]:
    """The main worktree, and those that are linked."""
    common = repository.common_dir
    found = [Worktree(common, _main_top(repository))]
    for git_dir in sorted((common / 'worktrees').glob('*/')):
        try:
            file = Path(os.fsdecode((git_dir / 'gitdir').read_bytes()).strip('\n'))
        except OSError:
            continue
        top = Path(os.path.abspath(git_dir / file)).parent
        found.append(Worktree(git_dir, top if top.is_dir() else None))
    return found


def _main_top(repository: Repository) -> Path | None:
    common = repository.common_dir
    if repository.git_dir == common:
        return repository.top
    set_ = run.attempt('config', '--file', str(common / 'config'), 'core.worktree')
    if set_.code == 0:
        return Path(os.path.abspath(common / os.fsdecode(set_.out).strip('\n')))
    return common.parent if common.name == '.git' else None


def models_in(worktree: Worktree) -> list[Path]:
    """The files of a worktree that the filter is responsible for."""
    if worktree.top is None:
        return []
    listed = run.output(
        f'--git-dir={worktree.git_dir}', f'--work-tree={worktree.top}', 'ls-files',
        '-z', '--', ':(top,attr:filter=model)', cwd=worktree.top,
        env={'GIT_INDEX_FILE': str(worktree.git_dir / 'index')},
    )
    names = {os.fsdecode(name) for name in listed.split(b'\0')} - {''}
    return [worktree.top / name for name in sorted(names)]


def everything(repository: Repository) -> Roots:
    """All refs, reflogs, indexes and operations in progress of all worktrees."""
    named = set(_in_states(repository.common_dir, _STATES))
    for worktree in worktrees(repository)[1:]:
        named.update(_in_states(worktree.git_dir, (*_STATES, _OWN_REFS)))
    return Roots(_ALL, tuple(_present(sorted(named))))


def _in_states(folder: Path, patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        for file in folder.glob(pattern):
            try:
                if file.is_file() and file.stat().st_size <= _LARGEST_STATE:
                    yield from (m.decode() for m in _OID.findall(file.read_bytes()))
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
        'rev-list', '--objects', '--stdin', *roots.arguments, input=asked,
    )
    return history.those_of(listed)
