"""What git is doing when it calls the merge driver.

``merge`` combines two versions; ``apply`` carries a change over to another
version (rebase, cherry-pick, revert, stash, am -3, checkout -m): see
docs/decisions/0005-merge-or-apply.md for how they are told apart.
"""
from __future__ import annotations

import os
import re

from git_model_driver.git import caller
from git_model_driver.git import run

MERGE = 'merge'
APPLY = 'apply'
_OPTION = re.compile(r'(?:-X|--strategy-option=)(ours|theirs)')
_SIDE = re.compile(r'(?<![\w=/-])(?:--)?(ours|theirs)(?![\w=/-])')
_NOTED = re.compile(r'strategy-option\s*=\s*"?(?:--)?(ours|theirs)"?\s*$', re.MULTILINE)


def current(path: str) -> str:
    """MERGE or APPLY, for the file that is being merged."""
    if any(name.startswith('GITHEAD_') for name in os.environ):
        return MERGE
    if not is_merge():
        return APPLY
    # A rebase re-creates a merge, or "checkout -m <path>" redoes one.
    return MERGE if _exists('rebase-merge') or _is_unmerged(path) else APPLY


def is_merge() -> bool:
    """Whether a merge was begun here, and is not concluded."""
    return _exists('MERGE_HEAD')


def is_bisection() -> bool:
    """Whether ``git bisect`` is looking for a commit here."""
    return _exists('BISECT_LOG')


def current_option() -> str | None:
    """``ours`` or ``theirs`` where git was called with that strategy option.

    The calling git's arguments have it, and a rebase or a row of picks notes it for
    the next steps. Where neither can be read, there is none.
    """
    found = _SIDE.findall(_text('rebase-merge/strategy_opts'))
    found += _NOTED.findall(_text('sequencer/opts'))
    words = iter(caller.arguments())
    for word in words:
        if word in ('-m', '--message', '-F', '--file'):
            next(words, '')
        if word in ('-X', '--strategy-option'):
            word = f'-X{next(words, "")}'
        option = _OPTION.fullmatch(word)
        if option:
            found.append(option[1])
    return found[-1] if found else None


def _text(name: str) -> str:
    """A file of the git directory, or nothing."""
    name = run.text('rev-parse', '--git-path', name)
    try:
        with open(name, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def _exists(name: str) -> bool:
    return os.path.exists(run.text('rev-parse', '--git-path', name))


def _is_unmerged(path: str) -> bool:
    return bool(run.output('ls-files', '-u', '-z', '--', f':(top,literal){path}'))
