"""Where a blob comes from, in words: the commit that first has it, or the index."""
from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from git_model_driver.git import run
from git_model_driver.git import worktree

_MOST_NAMED = 500       # on a command line
_PLAIN = ('-c', 'log.showRoot=true', '-c', 'log.showSignature=false')


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
    named = [f'--find-object={blob}' for blob in blobs if len(blobs) < _MOST_NAMED]
    lines = run.output(
        *_PLAIN, 'log', '--all', '--reflog', '--topo-order', '-m', '--raw',
        '--no-abbrev', '--no-renames', '--format=%H', *named, '--',
    ).decode(errors='replace').split('\n')
    commits: dict[str, str] = {}
    commit = ''
    for line in lines:
        if not line.startswith(':'):
            commit = line or commit
        elif (blob := line.split(' ')[3]) in blobs:
            commits[blob] = commit
    words = _words(set(commits.values()))
    return {blob: words[commit] for blob, commit in commits.items()}


def _words(commits: Collection[str]) -> dict[str, str]:
    if not commits:
        return {}
    stashed = _stashed()
    lines = run.output(
        *_PLAIN, 'log', '--no-walk', '--format=%H %h (%s)', '--stdin',
        input='\n'.join(commits).encode(),
    ).decode(errors='replace').split('\n')[:-1]
    found = {}
    for line in lines:
        commit, short, subject = line.split(' ', 2)
        found[commit] = f'in {stashed.get(commit, short)} {subject}'
    return found


def _stashed() -> dict[str, str]:
    """The commits that each stash is made of: itself, its index, untracked files."""
    listed = run.attempt('log', '-g', '--format=%H %P', 'refs/stash', '--')
    return {
        commit: f'stash@{{{n}}}'
        for n, line in enumerate(listed.out.decode().splitlines())
        for i, commit in enumerate(line.split()) if i != 1
    }
