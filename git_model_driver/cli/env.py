"""Show versions, where things are, and every setting with its origin.

Exit code 1 if something is not as install writes it.
"""
from __future__ import annotations

import argparse
import os
import platform
import shutil

from git_model_driver import __version__
from git_model_driver.core.errors import NotARepository
from git_model_driver.git import hooks
from git_model_driver.git import options
from git_model_driver.git import repository as repositories
from git_model_driver.git import run as git
from git_model_driver.git import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    print(f'git-model version {__version__} (Python {platform.python_version()})')
    print(git.text('version'))
    print(f'program: {shutil.which("git-model") or "not on PATH"}')
    current = [_print_setting(key) for key in settings.SETTINGS]
    for key in options.NAMES:
        found = settings.in_force(key)
        if found:
            print(f'{key}: {found.value} ({found.origin})')
    try:
        repository = repositories.find()
    except NotARepository:
        print('repository: none here')
    else:
        print(f'repository: {repository.git_dir}')
        print(f'store: {repository.store_root}')
        current += [_print_hook(name) for name in hooks.NAMES]
    for name in sorted(os.environ):
        if name.startswith('GIT_MODEL_'):
            print(f'{name}={os.environ[name]}')
    return 0 if all(current) else 1


def _print_setting(key: str) -> bool:
    found = settings.in_force(key)
    if found is None:
        print(f'{key}: not set')
        return False
    current = found.value == settings.SETTINGS[key]
    state = 'current' if current else f'other: {found.value}'
    print(f'{key}: {state} ({found.origin})')
    return current


def _print_hook(name: str) -> bool:
    target = hooks.folder() / name
    if not target.exists():
        print(f'hook {name}: not installed')
    elif not os.access(target, os.X_OK):
        print(f'hook {name}: git skips it, it is not executable ({target})')
    elif hooks.is_ours(name, target):
        print(f'hook {name}: current ({target})')
        return True
    else:
        print(f'hook {name}: another one ({target})')
    return False
