"""The store: content-addressed objects under ``$GIT_COMMON_DIR/model/``.

    objects/ab/cdef...      one file per object (store.objectfile), read-only
    tmp/                    objects that are being written

Writing is idempotent and safe between processes: an object gets its name only
when it is complete and on disk. Other stores (Git alternates, remotes that are
directories of this machine) are read where this one lacks an object.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of
from git_model_driver.store import freshness
from git_model_driver.store.batch import Batch
from git_model_driver.store.batch import check_digest as check_digest
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.places import object_path

Others = Callable[[], Sequence[Path]]


class Store:
    """Objects below ``root``.

    ``alternates`` and ``remotes`` give the roots of other stores, asked for only
    when an object is missing: alternates are relied on as they are, as Git does;
    what is in a remote's is checked and taken over into this store first.
    """

    def __init__(
        self, root: Path, alternates: Others = list, remotes: Others = list,
    ) -> None:
        self.root = root
        self._objects = os.path.join(root, 'objects')
        self._alternates = alternates
        self._remotes = remotes
        self._others: tuple[Sequence[Path], Sequence[Path]] | None = None

    def path(self, oid: Oid) -> Path:
        return object_path(self.root, oid)

    def has(self, oid: Oid) -> bool:
        """Whether the object is here or in an alternate. Nothing is fetched."""
        if self.has_own(oid):
            return True
        alternates, _ = self._look_around()
        return any(object_path(root, oid).exists() for root in alternates)

    def has_own(self, oid: Oid) -> bool:
        digits = hex_of(oid)    # without pathlib: a model may have 100,000
        return os.path.exists(f'{self._objects}/{digits[:2]}/{digits[2:]}')

    def wants(self, oid: Oid) -> bool:
        """``has``, for what a manifest is about to name: it is not pruned meanwhile."""
        return self._touch_own(oid) or self.has(oid)

    def _touch_own(self, oid: Oid) -> bool:
        digits = hex_of(oid)
        return freshness.touch(f'{self._objects}/{digits[:2]}/{digits[2:]}')

    def missing(self, oids: Iterable[Oid]) -> set[Oid]:
        """Those that are neither here nor in an alternate."""
        return {oid for oid in oids if not self.has(oid)}

    def find(self, oid: Oid) -> Path | None:
        """The object's file here, in an alternate, or taken over from a remote.

        Raises CorruptObject where the only one is a remote's damaged one.
        """
        if self.has_own(oid):
            return self.path(oid)
        alternates, _ = self._look_around()
        for root in alternates:
            if (path := object_path(root, oid)).exists():
                return path
        damaged = self.gather([oid])
        if self.has_own(oid):
            return self.path(oid)
        if damaged:
            raise CorruptObject(
                f"the object {oid} is damaged in '{damaged[0]}'",
                'mend it there with "git model fsck --repair"',
            )
        return None

    def gather(self, oids: Iterable[Oid]) -> list[Path]:
        """Take over those that are only in a remote's store, all in one go.

        Each is checked by its SHA-256. The files that are damaged are returned.
        """
        wanted = self.missing(oids)
        if not wanted:
            return []
        _, remotes = self._look_around()
        damaged: list[Path] = []
        with self.batch() as batch:
            for oid in wanted:
                for root in remotes:
                    path = object_path(root, oid)
                    if not path.exists():
                        continue
                    try:
                        with Store(root).open_here(oid) as file:
                            batch.take_over(file, wanted)
                    except CorruptObject:
                        damaged.append(path)
                        continue
                    break
        return damaged

    def _look_around(self) -> tuple[Sequence[Path], Sequence[Path]]:
        if self._others is None:
            self._others = self._alternates(), self._remotes()
        return self._others

    def open(self, oid: Oid) -> ObjectFile:
        """Open an object. Raises MissingObject, CorruptObject."""
        path = self.find(oid)
        if path is None:
            raise _missing(oid)
        return ObjectFile(path, oid, self.open_here)

    def open_here(self, oid: Oid, depth: int = 0) -> ObjectFile:
        """Open an object of this store or of an alternate; nothing is fetched."""
        path = self.path(oid)
        if not path.exists():
            roots, _ = self._look_around()
            there = (object_path(root, oid) for root in roots)
            path = next(filter(Path.exists, there), path)
        try:
            return ObjectFile(path, oid, self.open_here, depth)
        except FileNotFoundError:
            raise _missing(oid) from None

    def read(self, oid: Oid) -> bytes:
        """All raw bytes of a (small) object."""
        with self.open(oid) as file:
            return b''.join(bytes(chunk) for chunk in file.chunks())

    def batch(self) -> Batch:
        return Batch(self.root, self._touch_own, self.open_here)

    def scratch(self, root: Path) -> Store:
        """A store at ``root`` that reads this one where it lacks an object."""
        def known() -> Sequence[Path]:
            return [self.root, *self._look_around()[0]]

        return Store(root, known, lambda: self._look_around()[1])

    def set_aside(self, oid: Oid) -> Path:
        """Move a damaged object to ``damaged/``: what is needed can be had anew."""
        target = self.root / 'damaged' / hex_of(oid)
        target.parent.mkdir(exist_ok=True)
        os.replace(self.path(oid), target)
        return target

    def __iter__(self) -> Iterator[Oid]:
        """The oids of this store's own objects, sorted."""
        for folder in _listdir(self.root / 'objects'):
            for name in _listdir(self.root / 'objects' / folder):
                if len(folder) == 2 and len(name) == 62:
                    yield Oid(f'sha256:{folder}{name}')


def _missing(oid: Oid) -> MissingObject:
    return MissingObject(
        f'the object {oid} is not in the store',
        'get it with "git model pull", or look for it with "git model fsck"',
    )


def _listdir(path: Path) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
