"""Show versions, where things are, and every setting with its origin.

Exit code 1 if something is not as install writes it.
"""
from __future__ import annotations

import argparse
import os
import platform
import shutil
from pathlib import Path

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
        current += [_print_hook(name, inside=False) for name in hooks.NAMES]
    else:
        print(f'repository: {repository.git_dir}')
        print(f'store: {repository.store_root}')
        current += [_print_hook(name, inside=True) for name in hooks.NAMES]
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


def _print_hook(name: str, inside: bool) -> bool:
    state = hooks.configured(name) if inside else 'enabled'
    found = settings.in_force(f'hook.model-{name}.command')
    if state and found and settings.has_hooks():
        return _print_configured(name, state, found)
    return _print_file(name, hooks.folder() / name) if inside else True


def _print_configured(name: str, state: str, found: settings.Origin) -> bool:
    key = f'hook.model-{name}.command'
    if state == 'disabled':
        print(f'hook {name}: disabled by the configuration')
        return False
    current = found.value == settings.HOOKS[key]
    print(f'hook {name}: {"current" if current else "other"} ({key}, {found.origin})')
    return current


def _print_file(name: str, target: Path) -> bool:
    kind = hooks.kind_of(name, target)
    if kind is hooks.Kind.NONE:
        print(f'hook {name}: not installed')
    elif not os.access(target, os.X_OK):
        print(f'hook {name}: git skips it, it is not executable ({target})')
    elif kind is hooks.Kind.FOREIGN and hooks.calls_us(name, target):
        print(f'hook {name}: another one, which runs it ({target})')
        return True
    elif kind is hooks.Kind.FOREIGN:
        print(f'hook {name}: another one ({target})')
    elif not hooks.is_current(name, target):
        print(f'hook {name}: an older one ({target})')
    else:
        beside = '' if kind is hooks.Kind.OURS else ', in another one'
        print(f'hook {name}: current{beside} ({target})')
        return True
    return False
