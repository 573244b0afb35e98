"""Another Git than the machine's: tests that need a newer one say so.

GIT_MODEL_NEW_GIT names a directory with a Git of at least 2.54.
"""
from __future__ import annotations

import os
import re
import subprocess

import pytest

# Read before the tests begin: they have nothing of the machine's settings.
_NEW = os.environ.get('GIT_MODEL_NEW_GIT', '')
_NAMED_HOOKS = (2, 54)


def _version(program: str) -> tuple[int, ...]:
    out = subprocess.run((program, 'version'), capture_output=True, check=True).stdout
    found = re.match(rb'git version (\d+)\.(\d+)', out)
    assert found
    return tuple(map(int, found.groups()))


def use(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have 'old' or 'new' on PATH: before and since hooks in the configuration."""
    is_new = _version('git') >= _NAMED_HOOKS
    if is_new == (which == 'new'):
        return
    if is_new or not _NEW:
        pytest.skip(f"this machine's git is too {'new' if is_new else 'old'}")
    assert _version(os.path.join(_NEW, 'git')) >= _NAMED_HOOKS
    monkeypatch.setenv('PATH', f'{_NEW}{os.pathsep}{os.environ["PATH"]}')
