"""What is checked out: whether it may be replaced, and replacing it.

Files that are what the new version has are not written again: Git looks at each, and
finds so.
"""
from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import run
from git_model_driver.git.repository import Repository

_OPERATIONS = {
    'MERGE_HEAD': 'merge', 'CHERRY_PICK_HEAD': 'cherry-pick', 'REVERT_HEAD': 'revert',
    'rebase-merge': 'rebase', 'rebase-apply': 'rebase', 'sequencer': 'cherry-pick',
    'BISECT_LOG': 'bisect',
}
# Git compresses what it reads piece by piece, even if only to name it.
_STREAMED = ('-c', 'core.bigFileThreshold=1m', '-c', 'core.compression=0')


def refuse_unfinished(repository: Repository) -> None:
    """Raise GitModelError while an operation is in progress."""
    for name, verb in _OPERATIONS.items():
        if (repository.git_dir / name).exists():
            raise GitModelError(
                f'a {verb} is in progress',
                f'finish it first, or drop it with "git {verb} '
                f'{"reset" if verb == "bisect" else "--abort"}"',
            )


def refuse_dirty(top: Path) -> None:
    """Raise GitModelError where something is not committed. Untracked files may be."""
    changed = run.zsplit(
        'status', '--porcelain', '-z', '--untracked-files=no', '--no-renames',
        '--ignore-submodules=dirty', cwd=top,
    )
    if changed:
        shown = ', '.join(os.fsdecode(record[3:]) for record in changed[:3])
        raise GitModelError(
            f'there are changes that are not committed: {shown}'
            + (', ...' if changed[3:] else ''),
            'commit them, or put them away with "git stash"',
        )


def refuse_elsewhere(repository: Repository, refs: Iterable[str]) -> None:
    """Raise GitModelError where another worktree is on one of these branches."""
    wanted = set(refs)
    for block in run.output('worktree', 'list', '--porcelain').split(b'\n\n'):
        said = dict(
            os.fsdecode(line).partition(' ')[::2] for line in block.split(b'\n') if line
        )
        top = said.get('worktree', '')
        is_here = repository.top is not None and os.path.realpath(top) == (
            os.path.realpath(repository.top)
        )
        if said.get('branch') in wanted and 'bare' not in said and not is_here:
            raise GitModelError(
                f"the worktree '{top}' is on '{said['branch']}', which would be "
                'rewritten',
                f'remove it first with "git worktree remove {top}"',
            )


def refuse_incomplete(tips: Sequence[str]) -> None:
    """Raise GitModelError where their history, or some of its objects, is not here."""
    if run.text('rev-parse', '--is-shallow-repository') == 'true':
        raise GitModelError(
            'the repository is shallow: older commits are not here',
            'get them with "git fetch --unshallow"',
        )
    grafts = run.text('rev-parse', '--git-path', 'info/grafts')
    if os.path.exists(grafts):
        raise GitModelError(
            'the repository has grafts: its history is not what its commits say',
            'make them replacements with "git replace --convert-graft-file"',
        )
    promisor = run.attempt('config', '--get-regexp', r'^remote\..*\.promisor$')
    if promisor.code:
        return
    asked = ''.join(f'{tip}\n' for tip in tips).encode()
    listed = run.output(
        'rev-list', '--objects', '--missing=print', '--stdin', input=asked,
    )
    missing = sum(line.startswith(b'?') for line in listed.split(b'\n'))
    if missing:
        raise GitModelError(
            f'the clone is partial: objects are not here, {missing} in all',
            'get them with "git fetch --refetch --no-filter"',
        )


class _Entry(NamedTuple):
    mode: bytes
    oid: bytes
    path: bytes


def _changed(old: str, new: str) -> list[_Entry]:
    """What is different in the new tree; mode 0 where a file is gone."""
    fields = run.zsplit(
        'diff-tree', '-r', '-z', '--raw', '--no-renames', '--no-abbrev', old, new,
    )
    found = []
    for facts, path in zip(fields[::2], fields[1::2]):
        words = facts.split()
        found.append(_Entry(words[1].lstrip(b'0') or b'0', words[3], path))
    return found


def bring(top: Path, old: str, new: str) -> None:
    """Bring index and worktree from the clean commit ``old`` to ``new``."""
    changed = _changed(old, new)
    tags = _tags(top)
    records = b''.join(
        e.mode + b' ' + e.oid + b' 0\t' + e.path + b'\0' for e in changed
    )
    run.output('update-index', '-z', '--index-info', input=records, cwd=top)
    there = [e.path for e in changed if e.mode != b'0']
    for option, tag in (('--skip-worktree', b'S'), ('--assume-unchanged', b'h')):
        _update([p for p in there if tags.get(p) == tag], top, option)
    watched = [path for path in there if tags.get(path, b'H') != b'S']
    # Filters are told by the worktree's .gitattributes: these come first.
    for entry in changed:
        if entry.mode == b'0' and tags.get(entry.path) != b'S':
            (top / os.fsdecode(entry.path)).unlink(missing_ok=True)
    _write([p for p in watched if p.rpartition(b'/')[2] == b'.gitattributes'], top)
    run.attempt(*_STREAMED, 'update-index', '-q', '--refresh', cwd=top)
    differ = set(run.zsplit('diff-files', '--name-only', '-z', cwd=top))
    _write([path for path in watched if path in differ], top)


def _tags(top: Path) -> dict[bytes, bytes]:
    """What ``git ls-files -v`` says of each path; h for any that is not looked at."""
    records = run.zsplit('ls-files', '-v', '-z', cwd=top)
    return {
        record[2:]: b'h' if record[:1].islower() else record[:1] for record in records
    }


def _update(paths: list[bytes], top: Path, option: str) -> None:
    if paths:
        names = b''.join(path + b'\0' for path in paths)
        run.output('update-index', option, '-z', '--stdin', input=names, cwd=top)


def _write(paths: list[bytes], top: Path) -> None:
    if paths:
        names = b''.join(path + b'\0' for path in paths)
        run.output('checkout-index', '-f', '-u', '-z', '--stdin', input=names, cwd=top)
