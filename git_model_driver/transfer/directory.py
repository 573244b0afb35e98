"""A remote that is a directory of this machine: tensors are in that repository's store.
"""
from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.git import run
from git_model_driver.store.links import Links
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store
from git_model_driver.transfer.needed import needed
from git_model_driver.transfer.remotestore import source_of


class DirectoryRemote:
    """The store at ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def label(self) -> str:
        return str(self.root)

    def new(self, revisions: Sequence[str]) -> dict[Oid, str]:
        """It is asked what commits it has itself: what we remember of a remote of that
        name may be of another place.
        """
        return needed(revisions, without=_tips_of(self.root))

    def lacking(self, oids: Collection[Oid]) -> set[Oid]:
        """Each is read."""
        store = Store(self.root)
        return {oid for oid in oids if not _is_whole(oid, store)}

    def send(self, objects: Mapping[Oid, str], store: Store) -> int:
        """Raises CorruptObject, too.

        What nobody wrote to since it was stored is linked and need not be read: a model
        of any size is pushed in the time that its names take.
        """
        other = Store(self.root)
        lacking = [oid for oid in objects if not other.wants(oid)]
        with Links(store, other, lacking) as links:
            rest = [oid for oid in lacking if not links.add(oid)]
        if rest:
            with other.batch() as batch:
                for oid in rest:
                    source_of(oid, objects[oid], store)
                    with store.open(oid) as file:
                        batch.take_over(file, objects, ObjectFile.verify)
        return len(lacking)

    def take(self, wanted: Iterable[Oid], store: Store) -> None:
        Store(store.root, remotes=lambda: [self.root]).gather(wanted)


def _tips_of(store: Path) -> list[str]:
    """What the refs of the repository around a store point to; we need not have it."""
    return run.attempt(
        f'--git-dir={store.parent}', 'for-each-ref', '--format=%(objectname)',
    ).out.decode().split()


def _is_whole(oid: Oid, store: Store) -> bool:
    base: Oid | None = oid
    try:
        while base is not None:
            with store.open_here(base) as file:
                file.verify()
                base = file.header.base
    except (StoreError, OSError):
        return False
    return True
