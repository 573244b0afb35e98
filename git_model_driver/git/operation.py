"""What git is doing when it calls the merge driver.

``merge`` combines two versions; ``apply`` carries a change over to another
version (rebase, cherry-pick, revert, stash, am -3, checkout -m): see DESIGN in
docs/decisions/0005-merge-or-apply.md for how they are told apart.
"""
from __future__ import annotations

import os

from git_model_driver.git import run

MERGE = 'merge'
APPLY = 'apply'


def current(path: str) -> str:
    """MERGE or APPLY, for the file that is being merged."""
    if any(name.startswith('GITHEAD_') for name in os.environ):
        return MERGE
    if not _exists('MERGE_HEAD'):
        return APPLY
    # A rebase re-creates a merge, or "checkout -m <path>" redoes one.
    return MERGE if _exists('rebase-merge') or _is_unmerged(path) else APPLY


def _exists(name: str) -> bool:
    return os.path.exists(run.text('rev-parse', '--git-path', name))


def _is_unmerged(path: str) -> bool:
    return bool(run.output('ls-files', '-u', '-z', '--', f':(top,literal){path}'))
