"""A remote that is a directory of this machine: tensors are in that repository's store.
"""
from __future__ import annotations

import os
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.git import run
from git_model_driver.store import freshness
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
        return needed([*revisions, '--not', *_commits_of(self.root)])

    def lacking(self, oids: Collection[Oid]) -> set[Oid]:
        """Each is read."""
        store = Store(self.root)
        return {oid for oid in oids if not _is_whole(oid, store)}

    def send(self, objects: Mapping[Oid, str], store: Store) -> int:
        """Raises CorruptObject, too."""
        other = Store(self.root)
        check = partial(_check, self.root.parent)
        sent = 0
        with other.batch() as batch:
            for oid, path in objects.items():
                if other.has(oid):
                    continue
                source_of(oid, path, store)
                with store.open(oid) as file:
                    batch.take_over(file, objects, check)
                sent += 1
        return sent

    def take(self, wanted: Iterable[Oid], store: Store) -> None:
        Store(store.root, remotes=lambda: [self.root]).gather(wanted)


def _commits_of(store: Path) -> list[str]:
    """What the refs of the repository around a store point to, and we have too."""
    listed = run.attempt(
        f'--git-dir={store.parent}', 'for-each-ref', '--format=%(objectname)',
    ).out
    checked = run.output('cat-file', '--batch-check', input=listed).decode()
    lines = (line.split() for line in checked.splitlines())
    return sorted({words[0] for words in lines if words[-1] != 'missing'})


def _check(folder: Path, file: ObjectFile) -> None:
    """It had its SHA-256 compared when it came into our store. Raises CorruptObject.

    Unless it was written to since it need not be read, where it is linked: a model of
    any size is pushed in the time that its names take.
    """
    status = os.fstat(file.fd)
    linked = status.st_dev == folder.stat().st_dev
    if not (linked and freshness.is_sealed(status, file.oid)):
        file.verify()


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
