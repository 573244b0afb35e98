"""Tensors on the same Git remote as the commits: any host, no account more."""
from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import Protocol
from typing import TypeVar

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.git.repository import Repository
from git_model_driver.git.transport import Quarantine
from git_model_driver.git.transport import Refused
from git_model_driver.store.objects import Store
from git_model_driver.transfer.gitrefs import batches
from git_model_driver.transfer.gitrefs import incoming
from git_model_driver.transfer.gitrefs import outgoing
from git_model_driver.transfer.gitrefs.batches import Stored
from git_model_driver.transfer.gitrefs.known import Known
from git_model_driver.transfer.gitrefs.outgoing import Outgoing
from git_model_driver.transfer.needed import beyond
from git_model_driver.transfer.needed import needed
from git_model_driver.transfer.remotestore import source_of
from git_model_driver.transfer.sealing import Plain
from git_model_driver.transfer.sealing import Seal

_PUSH = 1 << 30         # bytes in a push: what was sent is not sent again
_FETCH = 256 << 20      # and in a fetch


class GitRemote:
    """A repository that git can push to and fetch from, at ``url``."""

    def __init__(
        self, url: str, repository: Repository, seal: Callable[[], Seal] = Plain,
    ) -> None:
        self.url = url
        self._repository = repository
        self._find_seal = seal
        self._tmp = repository.store_root / 'tmp'

    @property
    def label(self) -> str:
        return f"'{self.url}'"

    @cached_property
    def _seal(self) -> Seal:
        return self._find_seal()

    @cached_property
    def _known(self) -> Known:
        return Known(self.url, self._repository, self._seal)

    def new(self, revisions: Sequence[str]) -> dict[Oid, str]:
        """What commits it has we remember, if it has any tensors at all."""
        more = beyond(self.url, revisions)
        if self._known.any() and not more:
            return {}       # and nobody was asked
        self._known.refresh()
        return more if self._known.any() else needed(revisions)

    def lacking(self, oids: Collection[Oid]) -> set[Oid]:
        """As its lists say: Git itself sees to it that what refs lead to is there."""
        self._known.refresh()
        there = self._known.stored()
        return {
            oid for oid in oids
            if not incoming.with_bases([oid], there, lambda _: False)
        }

    def send(self, objects: Mapping[Oid, str], store: Store) -> int:
        """Send what the remote lacks; how many objects. Raises GitModelError.

        ``objects`` says where each is needed. A difference travels as one where the
        other side has what it is from, or gets it.
        """
        self._known.refresh()
        there = self._known.stored()
        lacking = [oid for oid in objects if oid not in there]
        for oid in lacking:
            source_of(oid, objects[oid], store)
        scratch = self._tmp / f'push-{os.getpid()}-{secrets.token_hex(8)}'
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
            known = {*there, *lacking}
            ready = [outgoing.outgoing(oid, store, known, scratch) for oid in lacking]
            for batch in _groups(outgoing.bases_first(ready), _PUSH):
                self._push(batch)
        return len(lacking)

    def _push(self, batch: Sequence[Outgoing]) -> None:
        with Quarantine(self._tmp, self._repository) as quarantine:
            id_, text, refs = outgoing.written(
                quarantine.packs, batch, self._seal,
            )
            quarantine.push(self.url, refs)
            self._known.add(id_, text)

    def take(self, wanted: Iterable[Oid], store: Store) -> None:
        """Get these into the store, as far as the remote has them, with their bases.

        Raises GitError where it cannot be reached, CorruptObject.
        """
        lacking = set(wanted)
        there = self._known.stored()
        if not lacking <= there.keys():
            self._known.refresh()
            there = self._known.stored()
        for some in _groups(incoming.with_bases(lacking, there, store.has), _FETCH):
            with Quarantine(self._tmp, self._repository) as quarantine:
                self._fetch(quarantine, some)
                incoming.unpack(quarantine, some, store, self._seal)
        if self._known.ignored() and not lacking <= there.keys():
            raise GitModelError(
                f'{self.label} has tensors that are not encrypted, and '
                f'remote.{self.url}.modelKey is set',
                f'send them anew where they are: git model push {self.url}',
            )

    def _fetch(self, quarantine: Quarantine, needed: Sequence[Stored]) -> None:
        names = list(dict.fromkeys(blob for s in needed for blob in s.blobs))
        try:
            quarantine.fetch(self.url, names)
        except Refused:     # an older protocol: then all that came with them
            ids = self._known.batch_of({stored.oid for stored in needed})
            refs = [batches.ref(id_, batches.OBJECTS) for id_ in ids]
            quarantine.fetch(self.url, refs)


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


T = TypeVar('T', bound=_Sized)


def _groups(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """In their order, no more than so many bytes at a time: each is a step done."""
    group: list[T] = []
    size = 0
    for item in items:
        if group and size + item.nbytes > most:
            yield group
            group, size = [], 0
        group.append(item)
        size += item.nbytes
    if group:
        yield group
