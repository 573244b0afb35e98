"""Where a blob comes from, in words: the commit that first has it, or the index."""
from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from git_model_driver.git import run
from git_model_driver.git import worktree

_MOST_NAMED = 500       # on a command line


def places_of(blobs: Collection[str], here: Path | None) -> dict[str, str]:
    """``in 1a2b3c4 (subject)``, ``in stash@{0} (...)`` or ``in the index``.

    ``here`` is the worktree whose index needs no further words.
    """
    if not blobs:
        return {}
    found = _commits(blobs)
    for top in worktree.tops():
        of_another = '' if here and top.samefile(here) else f" of '{top}'"
        for blob in (set(blobs) - found.keys()) & worktree.indexed_blobs(top):
            found[blob] = f'in the index{of_another}'
    return found


def _commits(blobs: Collection[str]) -> dict[str, str]:
    """Git names the commits that add a blob or take it away: the last one adds it."""
    wanted = [f'--find-object={blob}' for blob in blobs if len(blobs) < _MOST_NAMED]
    lines = run.output(
        '-c', 'log.showRoot=true', '-c', 'log.showSignature=false', 'log', '--all',
        '--reflog', '--topo-order', '-m', '--raw', '--no-abbrev', '--no-renames',
        '--format=%x00%H %h (%s)', *wanted, '--',
    ).decode(errors='replace').split('\n')
    stashed = _stashed()
    found: dict[str, str] = {}
    commit = ''
    for line in lines:
        if line.startswith('\0'):
            full, _, named = line[1:].partition(' ')
            if full in stashed:
                named = f'{stashed[full]} {named.partition(" ")[2]}'
            commit = f'in {named}'
        elif line.startswith(':'):
            blob = line.split(' ')[3]
            if blob in blobs:
                found[blob] = commit
    return found


def _stashed() -> dict[str, str]:
    """The commits that each stash is made of: itself, its index, untracked files."""
    listed = run.attempt('log', '-g', '--format=%H %P', 'refs/stash', '--')
    return {
        commit: f'stash@{{{n}}}'
        for n, line in enumerate(listed.out.decode().splitlines())
        for i, commit in enumerate(line.split()) if i != 1
    }
