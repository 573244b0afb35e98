"""Tensors on a remote's Git LFS server, or in its directory as git-lfs has them."""
from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import of_bytes
from git_model_driver.git.repository import Repository
from git_model_driver.store.objects import Store
from git_model_driver.transfer.lfs import endpoint as endpoints
from git_model_driver.transfer.lfs import standalone
from git_model_driver.transfer.lfs.descriptions import UNKNOWN
from git_model_driver.transfer.lfs.descriptions import Description
from git_model_driver.transfer.lfs.descriptions import descriptions_of
from git_model_driver.transfer.lfs.endpoint import DOWNLOAD
from git_model_driver.transfer.lfs.endpoint import UPLOAD
from git_model_driver.transfer.lfs.endpoint import Endpoint
from git_model_driver.transfer.needed import beyond
from git_model_driver.transfer.needed import needed
from git_model_driver.transfer.notes import folder_of

_EMPTY = of_bytes(b'')      # git-lfs sends none of these
_MARK = 'lfs'


class Place(Protocol):
    """Where tensors are: a server, or a directory."""

    def lacking(self, sizes: Mapping[Oid, int]) -> set[Oid]: ...

    def upload(
        self, sizes: Mapping[Oid, int], paths: Mapping[Oid, str], store: Store,
    ) -> int: ...

    def download(self, wanted: Mapping[Oid, Description], store: Store) -> bool: ...


class LfsRemote:
    """A remote that git calls ``name``, at ``url`` as seen from ``base``."""

    def __init__(
        self, name: str, url: str, base: Path, repository: Repository,
    ) -> None:
        self._name = name
        self._url = url
        self._base = base
        self._repository = repository

    @property
    def label(self) -> str:
        return f"'{self._name}' (Git LFS)"

    @cached_property
    def _settings(self) -> Mapping[str, str]:
        return endpoints.settings(self._repository)

    def _endpoint(self, operation: str) -> Endpoint:
        return endpoints.find(self._name, self._url, operation, self._settings)

    def _place(self, operation: str) -> Place:
        endpoint = self._endpoint(operation)
        if not endpoint.is_web:
            return standalone.find(endpoint.url, self._base)
        from git_model_driver.transfer.lfs import server  # 40 ms

        return server.LfsServer(endpoint, self._url, operation, self._settings)

    def new(self, revisions: Sequence[str]) -> dict[Oid, str]:
        """What commits it has we remember, if tensors of ours were ever sent there."""
        if self._mark.exists():
            return beyond(self._name, revisions)
        return needed(revisions)

    @property
    def _mark(self) -> Path:
        """That this place has been used: elsewhere the same commits may be bare."""
        url = self._endpoint(UPLOAD).url
        return folder_of(url, self._repository.store_root) / _MARK

    def _set_mark(self) -> None:
        try:
            self._mark.parent.mkdir(parents=True, exist_ok=True)
            self._mark.touch()
        except OSError:     # then the server is asked once more
            return

    def lacking(self, oids: Collection[Oid]) -> set[Oid]:
        store = Store(self._repository.store_root)
        return self._place(DOWNLOAD).lacking(self._sizes(oids, store))

    def _sizes(self, oids: Iterable[Oid], store: Store) -> dict[Oid, int]:
        described = self._described(oids, store)
        return {oid: each.nbytes for oid, each in described.items()}

    def _described(self, oids: Iterable[Oid], store: Store) -> dict[Oid, Description]:
        wanted = set(oids) - {_EMPTY}
        if not wanted:
            return {}
        known = descriptions_of(wanted, store, self._repository)
        return {oid: known.get(oid, UNKNOWN) for oid in sorted(wanted)}

    def send(self, objects: Mapping[Oid, str], store: Store) -> int:
        sizes = self._sizes(objects, store)
        sent = self._place(UPLOAD).upload(sizes, objects, store) if sizes else 0
        self._set_mark()
        return sent

    def take(self, wanted: Iterable[Oid], store: Store) -> None:
        missing = store.missing(wanted)
        if _EMPTY in missing:
            with store.batch() as batch:
                batch.put_bytes(b'')
        described = self._described(missing, store)
        if described and self._place(DOWNLOAD).download(described, store):
            self._set_mark()
