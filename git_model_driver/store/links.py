"""Objects of another store of the same file system, linked: they have their names at
once, and nothing is read or written.

Only what is sealed (store.freshness) and so known to be whole, and what is based on
nothing but what is linked or was there: everything else is for store.batch.
"""
from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of
from git_model_driver.store import freshness
from git_model_driver.store.chains import chain_here
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.disk import flush
from git_model_driver.store.disk import link
from git_model_driver.store.glance import glance
from git_model_driver.store.glance import is_same
from git_model_driver.store.objectfile import DEEPEST
from git_model_driver.store.objects import Store
from git_model_driver.store.places import Places
from git_model_driver.store.places import readable_as_new


class Links:
    """Of one store's objects in another; durable when the ``with`` block ends.

    What is based on another one of ``wanted`` brings that along.
    """

    def __init__(self, source: Store, target: Store, wanted: Collection[Oid]) -> None:
        self._source = source
        self._target = target
        self._wanted = frozenset(wanted)
        self._places = Places(target.root)
        self._objects = os.path.join(target.root, 'objects')
        self._made: set[Oid] = set()
        self._folders: dict[str, str] = {}

    def __enter__(self) -> Links:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._folders:
            with self._errors():
                folders = [self._objects, *self._folders.values()]
                flush(self._target.root, [self._target.root, *map(Path, folders)])

    def add(self, oid: Oid, depth: int = 0) -> bool:
        """Whether it is there now. Raises StoreError where nothing can be written."""
        if oid in self._made:
            return True
        root = self._source.place(oid)
        if root is None or depth > DEEPEST:
            return False
        digits = hex_of(oid)
        path = f'{root}/objects/{digits[:2]}/{digits[2:]}'
        seen = glance(path, oid)
        if seen is None or not self._has(seen.base, depth + 1):
            return False
        freshness.touch(path, oid)      # both names have one time
        if self._link(path, seen.status, digits):
            self._made.add(oid)
        return oid in self._made

    def _has(self, base: Oid | None, depth: int) -> bool:
        if base is None or (base in self._wanted and self.add(base, depth)):
            return True
        return self._is_there(base)

    def _is_there(self, base: Oid) -> bool:
        """With all that it is based on; and nobody prunes that from now on."""
        chain = chain_here(base, self._target.open_here)
        return bool(chain) and all(map(self._target.wants, chain))

    def _link(self, path: str, status: os.stat_result, digits: str) -> bool:
        with self._errors():
            folder = self._folder(digits[:2])
        if not is_same(path, status):       # git model gc has encoded it anew
            return False
        if not readable_as_new(status, self._places.file_mode, folder):
            return False
        return link(path, f'{folder}/{digits[2:]}')

    def _errors(self) -> StoreErrors:
        return StoreErrors(self._target.root, 'what is there is not sent again')

    def _folder(self, name: str) -> str:
        if name not in self._folders:
            folder = f'{self._objects}/{name}'
            self._places.folder(folder)
            self._folders[name] = folder
        return self._folders[name]
