"""What a Git remote has, as far as we have read its lists."""
from __future__ import annotations

import os
from collections.abc import Mapping

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.git import transport
from git_model_driver.git.packdelta import whole
from git_model_driver.git.packs import BLOB
from git_model_driver.git.packstream import PackStream
from git_model_driver.git.repository import Repository
from git_model_driver.git.transport import Quarantine
from git_model_driver.git.transport import Ref
from git_model_driver.git.uploadpack import UploadPack
from git_model_driver.git.way import Unsupported
from git_model_driver.transfer.gitrefs import batches
from git_model_driver.transfer.gitrefs.batches import Stored
from git_model_driver.transfer.notes import folder_of
from git_model_driver.transfer.sealing import is_sealed
from git_model_driver.transfer.seals import Seal
from git_model_driver.transfer.seals import said_of

_IGNORED = ''           # a list, for one that is not to be read


class Known:
    """The lists of one remote, kept below ``model/remotes/``.

    Where the remote has a key, a list that is not encrypted is as if it were not there:
    whoever can write there could say that the remote has what it has not, and what it
    leads to would be read before it is known who wrote it.
    """

    def __init__(
        self, url: str, repository: Repository, server: UploadPack, seal: Seal,
    ) -> None:
        self._url = url
        self._server = server
        self._seal = seal
        self._repository = repository
        self._tmp = repository.store_root / 'tmp'
        of = f'{url} {seal.id}' if seal.id else url
        self._folder = folder_of(of, repository.store_root)

    def any(self) -> bool:
        return len(self._ids()) > self.ignored()

    def ignored(self) -> int:
        """How many of the remote's lists are not encrypted, where all should be."""
        return sum(not (self._folder / id_).stat().st_size for id_ in self._ids())

    def stored(self) -> dict[Oid, list[Stored]]:
        """By oid, in all the ways that it was sent; what cannot be read is not known.
        """
        found: dict[Oid, list[Stored]] = {}
        for id_ in self._ids():
            for stored in self._read(id_):
                found.setdefault(stored.oid, []).append(stored)
        return found

    def refresh(self) -> None:
        """Read the lists that are new, forget those that are gone.

        Raises GitError; GitModelError where they are encrypted with another key.
        """
        refs = {
            found: ref for ref in self._refs()
            if (found := batches.parse_ref(ref.name))
        }
        there = {
            id_: ref for (id_, what), ref in refs.items()
            if what == batches.INDEX and (id_, batches.OBJECTS) in refs
        }
        for id_ in set(self._ids()) - set(there):
            (self._folder / id_).unlink(missing_ok=True)
        new = sorted(set(there) - set(self._ids()))
        if new:
            self._get({id_: there[id_] for id_ in new})

    def add(self, id_: str, text: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f'.{os.urandom(8).hex()}'
        temporary.write_text(text, encoding='utf-8')
        os.replace(temporary, self._folder / id_)

    def _refs(self) -> list[Ref]:
        try:
            return self._server.refs(transport.NAMESPACE)
        except Unsupported:
            return transport.refs_of(self._url)

    def _get(self, refs: dict[str, Ref]) -> None:
        try:
            lists = self._asked(refs)
        except Unsupported:
            lists = self._fetched(refs)
        for id_ in refs.keys() & lists.keys():
            with said_of(f"'{self._url}'"):
                text = self._opened(lists[id_])
            self.add(id_, text)

    def _asked(self, refs: Mapping[str, Ref]) -> dict[str, bytes]:
        """Lists by what they are, which is their name: what was tampered with has
        another. Lists look alike, so servers send some as differences from others.
        """
        found: dict[str, bytes] = {}

        def take(pack: PackStream) -> None:
            for kind, data in whole(pack, self._repository.algorithm):
                if kind == BLOB and (id_ := batches.id_of(data)) in refs:
                    found[id_] = data

        self._server.fetch([ref.oid for ref in refs.values()], take)
        return found

    def _fetched(self, refs: Mapping[str, Ref]) -> dict[str, bytes]:
        with Quarantine(self._tmp, self._repository) as quarantine:
            quarantine.fetch(self._url, [ref.name for ref in refs.values()])
            blobs = (
                quarantine.blob(f'{ref.oid}:{batches.INDEX}') for ref in refs.values()
            )
            return {batches.id_of(data): data for data in blobs}

    def _opened(self, data: bytes) -> str:
        if not is_sealed(data):
            return _IGNORED if self._seal.id else data.decode('utf-8', 'replace')
        if not self._seal.id:
            raise GitModelError(
                f"the tensors on '{self._url}' are encrypted",
                f'say which file has the key: git config remote.{self._url}.modelKey '
                '<file>',
            )
        try:
            return b''.join(self._seal.open([data], batches.LIST)).decode()
        except CorruptObject:
            return _IGNORED

    def _ids(self) -> list[str]:
        try:
            names = os.listdir(self._folder)
        except OSError:
            return []
        return sorted(name for name in names if not name.startswith('.'))

    def _read(self, id_: str) -> list[Stored]:
        try:
            text = (self._folder / id_).read_text(encoding='utf-8')
            return batches.parse(text, id_)
        except (OSError, ValueError):
            return []
