"""Where a remote keeps its tensors: ``remote.<name>.modelStore``.

``git``        on the remote itself, on refs that nobody sees (transfer.gitremote)
``directory``  in the store of the repository in that directory of this machine
``none``       nowhere

Unless it says so, a remote that is a directory is ``directory``, any other ``git``.
"""
from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import repository as repositories
from git_model_driver.git import run
from git_model_driver.git.repository import Repository
from git_model_driver.transfer.gitremote import GitRemote

GIT, DIRECTORY, NONE = 'git', 'directory', 'none'
_KINDS = (GIT, DIRECTORY, NONE)


class Remote(NamedTuple):
    """``name`` is what git is given: a remote's name, or an address."""

    name: str
    kind: str
    store: Path | None      # of a directory


def find(name: str, url: str, base: Path, repository: Repository) -> Remote:
    """The remote of that name, or the address, as ``base`` sees it."""
    store = repositories.local_store(url, base)
    kind = _kind(name, DIRECTORY if store else GIT)
    if kind == DIRECTORY and store is None:
        raise GitModelError(
            f"'{url}' is no repository in a directory of this machine",
            f'keep its tensors on the remote itself: git config remote.{name}'
            f'.modelStore {GIT}',
        )
    return Remote(name, kind, store)


def _kind(name: str, default: str) -> str:
    found = run.attempt('config', '--get', f'remote.{name}.modelStore')
    kind = os.fsdecode(found.out).strip() if found.code == 0 else default
    if kind not in _KINDS:
        raise GitModelError(
            f"remote.{name}.modelStore is '{kind}', which is no kind of store",
            f'choose one of {", ".join(_KINDS)}: git config remote.{name}.modelStore '
            f'{default}',
        )
    return kind


def sources(repository: Repository) -> list[GitRemote]:
    """The remotes that have tensors on refs: origin before the others."""
    names = run.text('remote').split('\n')
    names.sort(key=lambda name: name != 'origin')
    return [
        GitRemote(name, repository) for name in filter(None, names)
        if _is_git(name, repository)
    ]


def _is_git(name: str, repository: Repository) -> bool:
    url = run.attempt('remote', 'get-url', name)
    address = os.fsdecode(url.out).rstrip('\n')
    if url.code or not address:
        return False
    base = repository.top or repository.git_dir
    try:
        return find(name, address, base, repository).kind == GIT
    except GitModelError:
        return False
