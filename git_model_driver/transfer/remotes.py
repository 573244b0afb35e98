"""Where a remote keeps its tensors: ``remote.<name>.modelStore``.

``git``        on the remote itself, on refs that nobody sees (transfer.gitrefs)
``lfs``        on its Git LFS server (transfer.lfs)
``directory``  in the store of the repository in that directory of this machine
``none``       nowhere

Unless it says so, a remote that is a directory is ``directory``, any other ``git``.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import repository as repositories
from git_model_driver.git import run
from git_model_driver.git.repository import Repository
from git_model_driver.transfer.directory import DirectoryRemote
from git_model_driver.transfer.gitrefs.remote import GitRemote
from git_model_driver.transfer.remotestore import RemoteStore

GIT, LFS, DIRECTORY, NONE = 'git', 'lfs', 'directory', 'none'


class Address(NamedTuple):
    """``name`` is what git is given, a remote's name or an address; ``url`` is where
    that is, as ``base`` sees it.
    """

    name: str
    url: str
    base: Path

    @property
    def directory(self) -> Path | None:
        """The store of the repository in that directory; None if it is none."""
        return repositories.local_store(self.url, self.base)


def address(name: str, repository: Repository, push: bool = False) -> Address:
    """Of a remote, or a directory or address itself."""
    found = run.attempt('remote', 'get-url', *(['--push'] if push else []), name)
    if found.code:
        return Address(name, name, Path.cwd())
    base = repository.top or repository.git_dir
    return Address(name, os.fsdecode(found.out).rstrip('\n'), base)


def find(where: Address, repository: Repository) -> RemoteStore | None:
    """Where its tensors are; None if nowhere. Raises GitModelError."""
    kind = kind_of(where)
    if kind == NONE:
        return None
    return _KINDS[kind](where, repository)


def kind_of(where: Address) -> str:
    """Raises GitModelError for one that there is not."""
    default = DIRECTORY if where.directory else GIT
    found = run.attempt('config', '--get', f'remote.{where.name}.modelStore')
    kind = os.fsdecode(found.out).strip() if found.code == 0 else default
    if kind != NONE and kind not in _KINDS:
        raise GitModelError(
            f"remote.{where.name}.modelStore is '{kind}', which is no kind of store",
            f'choose one of {", ".join([*_KINDS, NONE])}: git config '
            f'remote.{where.name}.modelStore {default}',
        )
    return kind


def _git(where: Address, repository: Repository) -> RemoteStore:
    return GitRemote(where.name, repository)


def _lfs(where: Address, repository: Repository) -> RemoteStore:
    from git_model_driver.transfer.lfs.remote import LfsRemote  # few need it

    return LfsRemote(where.name, where.url, where.base, repository)


def _directory(where: Address, repository: Repository) -> RemoteStore:
    if where.directory is None:
        raise GitModelError(
            f"'{where.url}' is no repository in a directory of this machine",
            'keep its tensors on the remote itself: git config '
            f'remote.{where.name}.modelStore {GIT}',
        )
    return DirectoryRemote(where.directory)


_Maker = Callable[[Address, Repository], RemoteStore]
_KINDS: dict[str, _Maker] = {GIT: _git, LFS: _lfs, DIRECTORY: _directory}


def sources(repository: Repository) -> list[RemoteStore]:
    """The remotes that tensors come from over a network: origin before the others.

    Directories of this machine are looked into without being asked (git.repository).
    """
    names = run.text('remote').split('\n')
    names.sort(key=lambda name: name != 'origin')
    found = (_source(name, repository) for name in filter(None, names))
    return [store for store in found if store is not None]


def _source(name: str, repository: Repository) -> RemoteStore | None:
    where = address(name, repository)
    try:
        if not where.url or kind_of(where) == DIRECTORY:
            return None
        return find(where, repository)
    except GitModelError:
        return None
