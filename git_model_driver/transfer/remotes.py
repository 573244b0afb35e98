"""Where a remote keeps its tensors: ``remote.<name>.modelStore``.

``git``        on the remote itself, on refs that nobody sees (transfer.gitrefs)
``lfs``        on its Git LFS server (transfer.lfs)
``directory``  in the store of the repository in that directory of this machine
<address>      in a directory or in object storage (transfer.depot): a path from "/",
               file://, s3://, gs://, az://, abfs://, sftp://, memory://
``none``       nowhere

``remote.<name>.modelKey`` has tensors encrypted (transfer.keys), where they are kept in
one of the ways that know how.

Unless it says so, a remote that is a directory is ``directory``, any other ``git``.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import repository as repositories
from git_model_driver.git import run
from git_model_driver.git.remoteconfig import RemoteConfig
from git_model_driver.git.repository import Repository
from git_model_driver.transfer.remotestore import RemoteStore
from git_model_driver.transfer.seals import Plain
from git_model_driver.transfer.seals import Seal

GIT, LFS, DIRECTORY, NONE = 'git', 'lfs', 'directory', 'none'
_URLS = ('url', 'pushurl')
_STORE, _KEY, _MIRROR = 'modelstore', 'modelkey', 'mirror'
FindSeal = Callable[[], Seal]
_SEALED = (GIT,)            # and what is kept at an address


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

    @property
    def is_known(self) -> bool:
        """Whether it is a remote, or something that may be one."""
        from git_model_driver.transfer import bundles

        return bool(
            self.url != self.name or self.directory or repositories.is_far(self.name)
            or bundles.is_bundle(self.base / self.url)
        )


class Remotes:
    """Those of a repository."""

    def __init__(
        self, repository: Repository, config: RemoteConfig | None = None,
    ) -> None:
        self._repository = repository
        self._config = config or RemoteConfig()

    @property
    def _base(self) -> Path:
        return self._repository.top or self._repository.git_dir

    def address(self, name: str, push: bool = False) -> Address:
        """Of a remote, or a directory or address itself."""
        url = self._config.url_of(name, push)
        if url is None:
            return Address(self._named(name), name, Path.cwd())
        return Address(name, url, self._base)

    def pushed_to(self, name: str, url: str | None) -> Address:
        """As git tells its hook: an address is its own name."""
        base = self._base if url else Path.cwd()
        return Address(self._named(name), url or name, base)

    def _named(self, name: str) -> str:
        """The remote that an address is of, if it is one's: what is set for that holds,
        or what it has encrypted would be sent as it is.
        """
        if name in self._config.in_repository():
            return name
        of = (
            each.remote for each in self._config.settings
            if each.value == name and each.remote and each.word in _URLS
        )
        return next(of, name)

    def is_mirror(self, name: str) -> bool:
        """Whether git pushes all refs there, and deletes others."""
        return _MIRROR in self._config.of_remote(name) and run.attempt(
            'config', '--bool', f'remote.{name}.mirror').out == b'true\n'

    def find(self, where: Address) -> RemoteStore | None:
        """Where its tensors are; None if nowhere. Raises GitModelError."""
        return self._made(where, self._kind(where))

    def _made(self, where: Address, kind: str) -> RemoteStore | None:
        if kind == NONE:
            return None
        seal = partial(self._seal, where.name)
        if is_address(kind):
            return _depot(where, kind, self._repository, seal)
        return _KINDS[kind](where, self._repository, self._config, seal)

    def _seal(self, name: str) -> Seal:
        value = self._config.of_remote(name).get(_KEY)
        if value is None:
            return Plain()
        from git_model_driver.transfer import keys

        return keys.seal_of(name, value)

    def _kind(self, where: Address) -> str:
        """Raises GitModelError for one that there is not, or that cannot be encrypted
        where it is to be.
        """
        default = DIRECTORY if where.directory else GIT
        settings = self._config.of_remote(where.name)
        kind = settings.get(_STORE, default).strip()
        if kind != NONE and kind not in _KINDS and not is_address(kind):
            raise GitModelError(
                f"remote.{where.name}.modelStore is '{kind}', which is no kind of "
                'store', f'choose one of {", ".join([*_KINDS, NONE])}, or an address: '
                f'git config remote.{where.name}.modelStore {default}',
            )
        if _KEY in settings:
            _refuse_key(where, kind)
        return kind

    def sources(self) -> list[RemoteStore]:
        """The remotes that tensors come from over a network: origin before the others,
        and last where something was fetched from.

        Directories of this machine are looked into without being asked
        (git.repository).
        """
        names = sorted(self._config.names(), key=lambda name: name != 'origin')
        known = [self.address(name) for name in names]
        urls = {_as_fetched(where.url) for where in known}
        known += [
            Address(url, url, self._base)
            for url in repositories.fetched_urls(self._repository) if url not in urls
        ]
        return list(self._reachable(known))

    def _reachable(self, known: list[Address]) -> Iterator[RemoteStore]:
        for where in known:
            try:
                kind = self._kind(where) if where.url else DIRECTORY
                store = None if kind == DIRECTORY else self._made(where, kind)
            except GitModelError:
                continue
            if store is not None:
                yield store


def is_address(value: str) -> bool:
    """Whether a value of ``modelStore`` says where, not how."""
    return '://' in value or os.path.isabs(value)


def _as_fetched(url: str) -> str:
    """The address as git writes it into FETCH_HEAD."""
    return url.rstrip('/').removesuffix('.git')


def _refuse_key(where: Address, kind: str) -> None:
    """What is to be encrypted does not go where it would not be."""
    if kind in _SEALED or kind == NONE or is_address(kind):
        return
    from git_model_driver.transfer import keys

    raise GitModelError(
        f"tensors in a store of kind '{kind}' cannot be encrypted, and "
        f'{keys.setting(where.name)} is set',
        f'keep them where they can: git config remote.{where.name}.modelStore git',
        f'or send them as they are: git config --unset {keys.setting(where.name)}',
    )


# Each of these imports what no other kind needs: a push waits for it.


def _git(
    where: Address, repository: Repository, config: RemoteConfig, seal: FindSeal,
) -> RemoteStore:
    from git_model_driver.transfer.gitrefs.remote import GitRemote

    return GitRemote(where.name, where.base, repository, config, seal)


def _depot(
    where: Address, url: str, repository: Repository, seal: FindSeal,
) -> RemoteStore:
    from git_model_driver.transfer.depot.depot import Depot

    return Depot(where.name, url, repository, seal)


def _lfs(
    where: Address, repository: Repository, config: RemoteConfig, seal: FindSeal,
) -> RemoteStore:
    from git_model_driver.transfer.lfs.remote import LfsRemote

    return LfsRemote(where.name, where.url, where.base, repository)


def _directory(
    where: Address, repository: Repository, config: RemoteConfig, seal: FindSeal,
) -> RemoteStore:
    if where.directory is None:
        raise GitModelError(
            f"'{where.url}' is no repository in a directory of this machine",
            'keep its tensors on the remote itself: git config '
            f'remote.{where.name}.modelStore {GIT}',
        )
    from git_model_driver.transfer.directory import DirectoryRemote

    return DirectoryRemote(where.directory)


_Maker = Callable[[Address, Repository, RemoteConfig, FindSeal], RemoteStore]
_KINDS: dict[str, _Maker] = {GIT: _git, LFS: _lfs, DIRECTORY: _directory}
