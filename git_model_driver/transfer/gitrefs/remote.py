"""Tensors on the same Git remote as the commits: any host, no account more."""
from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from git_model_driver.core.errors import GitError
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.git import progress
from git_model_driver.git.progress import Progress
from git_model_driver.git.remoteconfig import RemoteConfig
from git_model_driver.git.repository import Repository
from git_model_driver.git.transport import Quarantine
from git_model_driver.git.transport import Refused
from git_model_driver.git.uploadpack import UploadPack
from git_model_driver.git.way import Unsupported
from git_model_driver.git.way import Way
from git_model_driver.store.objects import Store
from git_model_driver.transfer import outgoing
from git_model_driver.transfer.gitrefs import batches
from git_model_driver.transfer.gitrefs import incoming
from git_model_driver.transfer.gitrefs import packing
from git_model_driver.transfer.gitrefs.batches import Stored
from git_model_driver.transfer.gitrefs.incoming import Arrivals
from git_model_driver.transfer.gitrefs.known import Known
from git_model_driver.transfer.groups import groups
from git_model_driver.transfer.needed import beyond
from git_model_driver.transfer.needed import needed
from git_model_driver.transfer.outgoing import Outgoing
from git_model_driver.transfer.seals import Plain
from git_model_driver.transfer.seals import Seal

_PUSH = 1 << 30         # bytes in a push: what was sent is not sent again
_FETCH = 256 << 20      # and in a fetch
_ALONE = 8 << 20        # of one push, from which on they are fetched alone


class GitRemote:
    """A repository that git can push to and fetch from, at ``url`` as seen from
    ``base``.
    """

    def __init__(
        self, url: str, base: Path, repository: Repository, config: RemoteConfig,
        seal: Callable[[], Seal] = Plain,
    ) -> None:
        self.url = url
        self._repository = repository
        self._find_seal = seal
        self._way = Way(url, base, config)
        self._server = UploadPack(self._way, repository.algorithm)
        self._tmp = repository.store_root / 'tmp'
        self._is_direct = True      # until git fetch has to do it

    @property
    def label(self) -> str:
        return f"'{self.url}'"

    @cached_property
    def _seal(self) -> Seal:
        return self._find_seal()

    @cached_property
    def _near(self) -> tuple[Path, ...]:
        """Where its objects are, if they can be read as ours are."""
        return tuple(filter(None, [self._way.near()]))

    @cached_property
    def _known(self) -> Known:
        return Known(self.url, self._repository, self._server, self._seal)

    def new(self, revisions: Sequence[str]) -> dict[Oid, str]:
        """What commits it has we remember, if it has any tensors at all."""
        more = beyond(self.url, revisions)
        if self._known.any() and not more:
            return {}       # and nobody was asked
        with self._server:
            self._known.refresh()
        return more if self._known.any() else needed(revisions)

    def lacking(self, oids: Collection[Oid]) -> set[Oid]:
        """As its lists say: Git itself sees to it that what refs lead to is there."""
        with self._server:
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
        with self._server:
            self._known.refresh()
        there = self._known.stored()
        lacking = {oid: path for oid, path in objects.items() if oid not in there}
        scratch = self._tmp / f'push-{os.getpid()}-{os.urandom(8).hex()}'
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
            known = {*there, *lacking}
            ready = outgoing.all_of(lacking, known, store, scratch)
            ordered = outgoing.bases_first(ready)
            for batch in groups(ordered, lambda each: each.nbytes, _PUSH):
                self._push(batch)
        return len(lacking)

    def _push(self, batch: Sequence[Outgoing]) -> None:
        with Quarantine(self._tmp, self._repository) as quarantine:
            id_, text, refs = packing.written(
                quarantine.packs, batch, self._seal, self._repository.algorithm,
            )
            quarantine.push(self.url, refs, progress.relayed('Sending tensors'))
            self._known.add(id_, text)

    def take(self, wanted: Iterable[Oid], store: Store) -> None:
        """Get these into the store, as far as the remote has them, with their bases.

        Raises GitError where it cannot be reached, CorruptObject.
        """
        with self._server:
            self._take_all(set(wanted), store)

    def _take_all(self, lacking: set[Oid], store: Store) -> None:
        there = self._known.stored()
        if not lacking <= there.keys():
            self._known.refresh()
            there = self._known.stored()
        needed = incoming.with_bases(lacking, there, store.has)
        with Progress('Receiving tensors', sum(s.nbytes for s in needed)) as meter:
            try:
                for some in groups(needed, lambda each: each.nbytes, _FETCH):
                    self._take(some, _by_blob(some), store, meter)
            except Refused:     # an older protocol: then all that came with them
                some = [stored for stored in needed if not store.has(stored.oid)]
                self._take(some, _by_batch(some), store, meter)
        if self._known.ignored() and not lacking <= there.keys():
            raise GitModelError(
                f'{self.label} has tensors that are not encrypted, and '
                f'remote.{self.url}.modelKey is set',
                f'send them anew where they are: git model push {self.url}',
            )

    def _take(
        self, needed: Sequence[Stored], fetches: Iterable[list[str]], store: Store,
        meter: Progress,
    ) -> None:
        algorithm = self._repository.algorithm
        with Quarantine(self._tmp, self._repository, *self._near) as quarantine:
            arrivals = Arrivals(quarantine.folder, needed, algorithm, meter)
            if not (self._near and _has_all(quarantine, arrivals)):
                for names in fetches:
                    self._fetch(names, arrivals, quarantine)
                with quarantine.objects as objects:
                    arrivals.add_missing(objects)
            incoming.unpack(arrivals, needed, store, self._seal)

    def _fetch(
        self, names: Sequence[str], arrivals: Arrivals, quarantine: Quarantine,
    ) -> None:
        if self._is_direct:
            try:
                self._server.fetch(names, arrivals.take)
                return
            except Unsupported:     # and not asked for again
                self._is_direct = False
        quarantine.fetch(self.url, names)


def _has_all(quarantine: Quarantine, arrivals: Arrivals) -> bool:
    """Whether all was to be had without the other side's help."""
    try:
        with quarantine.objects as objects:
            arrivals.add_missing(objects)
    except GitError:
        return False
    return True


def _by_blob(needed: Iterable[Stored]) -> list[list[str]]:
    """Names of blobs to fetch, those of one push apart from those of others.

    The server would look for differences between objects of different packs: more work
    than all else. Where there are few bytes, one connection for all costs less.
    """
    blobs: dict[str, dict[str, None]] = {}
    sizes: Counter[str] = Counter()
    for stored in needed:
        blobs.setdefault(stored.batch, {}).update(dict.fromkeys(stored.blobs))
        sizes[stored.batch] += stored.nbytes
    alone = [list(blobs[id_]) for id_, size in sizes.items() if size >= _ALONE]
    rest = [b for id_, size in sizes.items() if size < _ALONE for b in blobs[id_]]
    return [*alone, rest] if rest else alone


def _by_batch(needed: Iterable[Stored]) -> list[list[str]]:
    ids = dict.fromkeys(stored.batch for stored in needed)
    return [[batches.ref(id_, batches.OBJECTS)] for id_ in ids]
