"""Objects from a depot: into files of the store's ``tmp``, compared, then named."""
from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from contextlib import suppress
from pathlib import Path

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.oid import Oid
from git_model_driver.git.progress import Progress
from git_model_driver.store.batch import Batch
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store
from git_model_driver.store.places import Places
from git_model_driver.transfer.depot.partial import Partial
from git_model_driver.transfer.depot.shelves import Shelves
from git_model_driver.transfer.sealing import open_file
from git_model_driver.transfer.seals import object_

Damaged = dict[Oid, CorruptObject]


class Taking:
    """Some objects of a depot, with their bases, which come first into the store."""

    def __init__(self, shelves: Shelves, store: Store, progress: Progress) -> None:
        self._shelves = shelves
        self._store = store
        self._progress = progress
        self._places = Places(store.root)
        self._tmp = store.root / 'tmp'
        self._arrived: dict[Oid, Path] = {}
        self._resumed: set[Oid] = set()
        self._damaged: Damaged = {}
        self._stack = ExitStack()

    def __enter__(self) -> Taking:
        with StoreErrors(self._store.root):
            self._places.folder(self._tmp)
        self._places.sweep()
        return self

    def __exit__(self, *exc: object) -> None:
        for path in self._arrived.values():
            path.unlink(missing_ok=True)
        self._stack.close()

    def run(self, sizes: Mapping[Oid, int]) -> Damaged:
        """Get these, which are there with these sizes. Those that are damaged."""
        try:
            self._gather(sizes)
        except GitModelError:
            with suppress(GitModelError):   # what has arrived is not asked for again
                self._keep_all()
            raise
        self._keep_all()
        again = self._damaged.keys() & self._resumed
        if again:       # what we went on with may have been another's beginning
            self._resumed.clear()
            for oid in again:
                del self._damaged[oid]
                self._arrived.pop(oid, self._tmp / 'none').unlink(missing_ok=True)
            self._gather(self._shelves.sizes(again))
            self._keep_all()
        return self._damaged

    def _gather(self, sizes: Mapping[Oid, int]) -> None:
        waiting = dict(sizes)
        while waiting:
            self._progress.expect(sum(waiting.values()))
            self._shelves.each(lambda item: self._get(*item), list(waiting.items()))
            bases = {self._base(oid) for oid in waiting if oid in self._arrived}
            missing = self._store.missing(base for base in bases if base is not None)
            waiting = self._shelves.sizes(
                missing - self._arrived.keys() - self._damaged.keys(),
            )

    def _base(self, oid: Oid) -> Oid | None:
        try:
            with ObjectFile(self._arrived[oid], oid) as file:
                return file.header.base
        except CorruptObject:
            return None     # it is found when it is to be kept

    def _keep_all(self) -> None:
        """Give names to those that are what their names say."""
        with self._store.batch() as batch:
            for oid in self._arrived:
                try:
                    self._keep(oid, batch)
                except CorruptObject as e:
                    self._damaged[e.oid or oid] = e     # type: ignore[index]
                except MissingObject:   # what it is based on is not there
                    continue

    def _keep(self, oid: Oid, batch: Batch) -> None:
        with self._open(oid) as file:
            batch.take_over(file, self._arrived.keys())

    def _open(self, oid: Oid, depth: int = 0) -> ObjectFile:
        if oid in self._arrived:
            return ObjectFile(self._arrived[oid], oid, self._open, depth)
        return self._store.open_here(oid, depth)

    def _get(self, oid: Oid, nbytes: int) -> None:
        key = self._shelves.key(oid)
        partial = Partial(self._tmp, self._shelves.place, key, nbytes)
        self._stack.callback(partial.close)
        if partial.had:
            self._resumed.add(oid)
        partial.fill(self._progress)
        path = partial.path
        if self._shelves.seal.id:
            try:
                path = self._opened(path, oid)
            except CorruptObject as e:
                self._damaged[oid] = e
                return
            finally:
                partial.drop()
        with StoreErrors(self._store.root):
            path.chmod(self._places.file_mode)
        self._arrived[oid] = path

    def _opened(self, sealed: Path, oid: Oid) -> Path:
        """The object in an encrypted file, in one of its own."""
        path = self._tmp / f'opened-{os.getpid()}-{os.urandom(8).hex()}'
        with StoreErrors(self._store.root):
            open_file(self._shelves.seal, sealed, path, object_(oid))
        return path
