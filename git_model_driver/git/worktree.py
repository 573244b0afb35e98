"""Files of the worktree, as git knows them."""
from __future__ import annotations

import os
import time
from collections.abc import Collection
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import GitError
from git_model_driver.core.errors import NotARepository
from git_model_driver.core.errors import UsageError
from git_model_driver.git import run
from git_model_driver.git.repository import Repository
from git_model_driver.git.settings import SETTINGS

_MOST_PATHS = 256       # in one command line
_ONCE = b'* filter=model-once -text\n'
_PATIENCE = (0.05, 0.2, 0.5, 1.0)       # seconds
REGULAR_FILES = frozenset({'100644', '100755'})     # no links, no submodules


class Indexed(NamedTuple):
    """An entry of the index; the path is from the top of the worktree.

    ``tag`` is that of ``git ls-files -v``, where it was asked for.
    """

    mode: str
    oid: str
    stage: int
    path: str
    tag: str = 'H'

    @property
    def is_watched(self) -> bool:
        """Whether git looks for changes: no sparse checkout, nor assume-unchanged."""
        return self.tag == 'H'


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
    *tag, mode, oid, stage = facts.decode().split()
    return Indexed(mode, oid, int(stage), os.fsdecode(path), *tag)


def files() -> list[str]:
    """The files below here, from here, that git has or would add."""
    listed = ('ls-files', '-z', '--cached', '--others', '--exclude-standard')
    return sorted({os.fsdecode(name) for name in run.zsplit(*listed)})


def stage(path: str) -> None:
    run.output('add', '--', f':(top,literal){path}')


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


def entries(paths: Iterable[str]) -> list[Indexed]:
    """The entries of the index for these paths."""
    found: list[Indexed] = []
    asked = [f':(top,literal){path}' for path in paths]
    for start in range(0, len(asked), _MOST_PATHS):
        some = asked[start:start + _MOST_PATHS]
        records = run.zsplit('ls-files', '-s', '-v', '-z', '--full-name', '--', *some)
        found += map(_indexed, records)
    return found


def forget_stat(entries: Collection[Indexed]) -> None:
    """Have git look at these files before it calls them changed: it takes one of
    another size for changed without a look. Raises GitError.
    """
    records = b''.join(
        f'{e.mode} {e.oid} {e.stage}\t'.encode() + os.fsencode(e.path) + b'\0'
        for e in entries
    )
    if not records:
        return
    for patience in (*_PATIENCE, 0.0):
        result = run.attempt('update-index', '-z', '--index-info', input=records)
        if b'index.lock' not in result.err:
            run.check(result, 'update-index')
            return
        time.sleep(patience)    # another program looks at the index, too
    raise GitError(
        'the index is locked by another git',
        'wait until it is done; if there is none, '
        'rm "$(git rev-parse --git-path index.lock)"',
    )


def refresh(paths: Iterable[str]) -> None:
    """Have git note the stat data of files that are what the index says.

    That it cannot do so now is no error: it will, when it is asked for changes next.
    """
    _refresh(paths)


def refresh_unread(paths: Collection[str]) -> None:
    """The same with a filter for each that need not read it (Git 2.41 or newer).

    Git ignores a filter of one file where there is one of many. So they are given to
    another one for once, by attributes that are not those of the worktree.
    """
    if not paths:
        return
    blob = run.output('hash-object', '-w', '--stdin', input=_ONCE)
    line = b'100644 blob ' + blob.strip() + b'\t.gitattributes\n'
    tree = run.output('mktree', input=line).decode().strip()
    _refresh(
        paths, f'--attr-source={tree}', '-c', 'filter.model-once.required=true',
        '-c', f"filter.model-once.clean={SETTINGS['filter.model.clean']}",
    )


def _refresh(paths: Iterable[str], *options: str) -> None:
    names = b''.join(os.fsencode(f':(top,literal){path}') + b'\0' for path in paths)
    if names:
        run.attempt(
            *options, 'add', '--refresh', '--pathspec-from-file=-',
            '--pathspec-file-nul', input=names,
        )
