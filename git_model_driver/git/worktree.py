"""Files of the worktree, through git."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import NotARepository
from git_model_driver.core.errors import UsageError
from git_model_driver.git import run
from git_model_driver.git.repository import Repository

REGULAR_FILES = frozenset({'100644', '100755'})     # no links, no submodules


class Indexed(NamedTuple):
    """An entry of the index; the path is from the top of the worktree."""

    mode: str
    oid: str
    stage: int
    path: str


def top_of(repository: Repository) -> Path:
    if repository.top is None:
        raise NotARepository('this operation must be run in a work tree')
    return repository.top


def from_top(path: str, repository: Repository) -> str:
    """The path as the index has it. Raises UsageError for one outside.

    A path from the top is taken too where there is none from here: filters and
    drivers run at the top, and name files in their hints from there.
    """
    top = top_of(repository)
    absolute = os.path.abspath(path)
    if not os.path.lexists(absolute) and os.path.lexists(top / path):
        absolute = os.path.abspath(top / path)
    relative = os.path.relpath(absolute, top)
    if relative.split(os.sep)[0] == os.pardir:
        raise UsageError(f"'{path}' is outside the repository at '{top}'")
    return relative.replace(os.sep, '/')


def models(repository: Repository) -> list[Indexed]:
    """The entries of the index that the filter is responsible for."""
    records = run.zsplit(
        'ls-files', '-s', '-z', '--full-name', '--', ':(top,attr:filter=model)',
    )
    entries = map(_indexed, records)
    return [entry for entry in entries if entry.mode in REGULAR_FILES]


def _indexed(record: bytes) -> Indexed:
    facts, _, path = record.partition(b'\t')
    mode, oid, stage = facts.decode().split()
    return Indexed(mode, oid, int(stage), os.fsdecode(path))


def files() -> list[str]:
    """The files below here, from here, that git has or would add."""
    listed = ('ls-files', '-z', '--cached', '--others', '--exclude-standard')
    return sorted({os.fsdecode(name) for name in run.zsplit(*listed)})


def stage(path: str) -> None:
    run.output('add', '--', f':(top,literal){path}')


def materialise(paths: Sequence[str], top: Path) -> None:
    """Write files anew from the index, through the smudge filter."""
    for path in paths:
        (top / path).unlink(missing_ok=True)
    names = b''.join(os.fsencode(path) + b'\0' for path in paths)
    run.output('checkout-index', '--force', '-u', '-z', '--stdin', input=names, cwd=top)


def tops() -> list[Path]:
    """The tops of all worktrees of the repository that are there."""
    lines = run.output('worktree', 'list', '--porcelain').split(b'\n\n')
    found = []
    for block in lines:
        first, *more = block.split(b'\n')
        top = Path(os.fsdecode(first.removeprefix(b'worktree ')))
        if first and b'bare' not in more and top.is_dir():
            found.append(top)
    return found


def files_of_models(top: Path) -> list[str]:
    """Paths in a worktree, in its index or not, that the filter is responsible for."""
    return sorted({os.fsdecode(name) for name in run.zsplit(
        *_at(top), 'ls-files', '-z', '--cached', '--others', '--exclude-standard',
        '--', ':(top,attr:filter=model)', cwd=top,
    )})


def indexed_blobs(top: Path) -> set[str]:
    """What is in the index of a worktree."""
    records = run.zsplit(*_at(top), 'ls-files', '-s', '-z', '--full-name', cwd=top)
    return {_indexed(record).oid for record in records}


def _at(top: Path) -> tuple[str, ...]:
    """Git options for a worktree, whatever GIT_DIR says."""
    git_dir = top / '.git'
    if not git_dir.exists():
        return ()
    return f'--git-dir={git_dir}', f'--work-tree={top}'
