"""A remote's tensors in a directory or in object storage."""
from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.git.progress import Progress
from git_model_driver.git.repository import Repository
from git_model_driver.store.objects import Store
from git_model_driver.transfer.depot import addresses
from git_model_driver.transfer.depot import sending
from git_model_driver.transfer.depot.pushed import Pushed
from git_model_driver.transfer.depot.shelves import Shelves
from git_model_driver.transfer.groups import groups
from git_model_driver.transfer.needed import needed
from git_model_driver.transfer.seals import Seal
from git_model_driver.transfer.seals import said_of

_TOLD = 8               # commits whose tensors are not asked for
_ASKED_FOR = 1_000      # fewer are looked for sooner than these are read
# What had arrived and has no name where a process is ended; files that are open.
_GROUP_BYTES, _GROUP_COUNT = 256 << 20, 200


class Depot:
    """The objects of the remote ``name`` at an address; ``seal`` gives how they are
    encrypted there.
    """

    def __init__(
        self, name: str, address: str, repository: Repository,
        seal: Callable[[], Seal],
    ) -> None:
        self._name = name
        self._address = address
        self._root = repository.store_root
        self._find_seal = seal
        self._place = addresses.place(address, self._root)
        self._asked: tuple[tuple[str, ...], frozenset[Oid]] | None = None
        self._key_checked = False

    @property
    def label(self) -> str:
        return f"'{self._place.label}'"

    @cached_property
    def _shelves(self) -> Shelves:
        return Shelves(self._place, self._find_seal())

    @cached_property
    def _pushed(self) -> Pushed:
        return Pushed(f'{self._address} {self._shelves.seal.id}', self._root)

    def _open(self, will_send: bool = False) -> Shelves:
        """The shelves, when their key is known to be ours."""
        if not self._key_checked:
            with said_of(self.label):
                self._shelves.check_key(self._name, will_send)
            self._key_checked = True
        return self._shelves

    def new(self, revisions: Sequence[str]) -> dict[Oid, str]:
        """What commits it has all of we remember: what was pushed from here."""
        pushed = self._pushed.commits()
        found = needed(revisions, without=pushed)
        # A manifest names what did not change, too.
        if pushed and len(found) >= (_ASKED_FOR if self._place.is_near else 1):
            for oid in needed(['--no-walk', '--ignore-missing', *pushed[-_TOLD:]]):
                found.pop(oid, None)
        self._asked = tuple(revisions), frozenset(found)
        return found

    def lacking(self, oids: Collection[Oid]) -> set[Oid]:
        """Of each and all that it is based on the beginning is read: its size is right.
        """
        shelves = self._open()
        lacking: set[Oid] = set()

        def ask(oid: Oid) -> None:
            if shelves.depth(oid) is None:
                lacking.add(oid)

        shelves.each(ask, oids)
        if lacking and len(lacking) == len(oids):
            self._place.check()
        return lacking

    def send(self, objects: Mapping[Oid, str], store: Store) -> int:
        """Send what is not there. An object that was sent is not sent again."""
        shelves = self._open(will_send=True) if objects else self._shelves
        there = shelves.sizes(objects)
        lacking = {oid: path for oid, path in objects.items() if oid not in there}
        scratch = self._root / 'tmp' / f'push-{os.getpid()}-{os.urandom(8).hex()}'
        with ExitStack() as stack:
            stack.callback(_remove, scratch)
            levels = sending.ready(lacking, store, shelves, scratch)
            sending.send(levels, shelves)
        if self._asked and self._asked[1] <= objects.keys():
            self._pushed.add(self._asked[0])
        return len(lacking)

    def take(self, wanted: Iterable[Oid], store: Store) -> None:
        """Raises CorruptObject where some are damaged; all others are taken."""
        lacking = store.missing(wanted)
        if not lacking:
            return
        from git_model_driver.transfer.depot.taking import Damaged  # 8 ms
        from git_model_driver.transfer.depot.taking import Taking

        shelves = self._open()
        sizes = shelves.sizes(lacking)
        if not sizes:
            self._place.check()
        damaged: Damaged = {}
        with Progress('Receiving tensors', 0) as progress:
            for group in groups(sizes, sizes.__getitem__, _GROUP_BYTES, _GROUP_COUNT):
                # A base may have come with what was before.
                still = {oid: sizes[oid] for oid in group if not store.has(oid)}
                with Taking(shelves, store, progress) as taking:
                    damaged.update(taking.run(still))
        for oid, error in damaged.items():
            raise self._damaged(oid, error)
        self._refuse_plain(lacking - sizes.keys(), shelves)

    def _damaged(self, oid: Oid, error: CorruptObject) -> CorruptObject:
        return CorruptObject(
            f'the object {oid} is damaged at {self.label}',
            f"remove '{self._shelves.key(oid)}' there, then, where it is whole: "
            f'git model push {self._name}', oid=oid,
        )

    def _refuse_plain(self, missing: set[Oid], shelves: Shelves) -> None:
        """What lies there as it is, is not read where all is to be encrypted."""
        for oid in sorted(missing)[:1]:
            if shelves.has_plain(oid):
                raise GitModelError(
                    f'{self.label} has tensors that are not encrypted, and '
                    f'remote.{self._name}.modelKey is set',
                    f'send them anew where they are: git model push {self._name}',
                )


def _remove(folder: Path) -> None:
    if folder.exists():
        import shutil  # 4 ms, and few are decoded

        shutil.rmtree(folder, ignore_errors=True)
