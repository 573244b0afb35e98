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
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from typing import NamedTuple
from typing import Optional
from typing import Protocol

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of
from git_model_driver.core.oid import is_oid
from git_model_driver.store import freshness
from git_model_driver.store import memory
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.places import object_path
from git_model_driver.store.readable import Opened
from git_model_driver.store.recent import Recent
from git_model_driver.store.source import Span

if TYPE_CHECKING:
    from git_model_driver.store.batch import Batch

Others = Callable[[], Sequence[Path]]


class Source(Protocol):
    """Something far away that objects may be had from."""

    def take(self, wanted: Iterable[Oid], store: Store) -> None:
        """Store those of them that it has. Raises GitModelError."""


Sources = Callable[[], Sequence[Source]]
Raw = Callable[[Oid, str], Optional[Span]]


def nowhere(oid: Oid, path: str) -> Span | None:
    return None


class _Lying(NamedTuple):
    """An object whose bytes may lie somewhere as they are."""

    file: ObjectFile
    span: Span

    def __enter__(self) -> _Lying:
        return self

    def __exit__(self, *exc: object) -> None:
        self.file.__exit__()

    def chunks(self) -> Iterator[memoryview]:
        return self.file.chunks_from(self.span)


class Store:
    """Objects below ``root``.

    ``alternates`` and ``remotes`` give the roots of other stores, ``sources`` what is
    on other machines, asked for only when an object is missing: alternates are relied
    on as they are, as Git does; what is in a remote's is checked and taken over into
    this store first. ``raw`` says where an object may lie as it is, in the file at a
    path.
    """

    def __init__(
        self, root: Path, alternates: Others = list, remotes: Others = list,
        sources: Sources = list, raw: Raw = nowhere,
    ) -> None:
        self.root = root
        self.recent = Recent()
        self._raw = raw
        self._find_sources = sources
        self.failures: dict[int, GitModelError] = {}    # of sources, by their number
        self._objects = os.path.join(root, 'objects')
        self._find_alternates = alternates
        self._find_remotes = remotes

    def path(self, oid: Oid) -> Path:
        return object_path(self.root, oid)

    def has(self, oid: Oid) -> bool:
        """Whether the object is here or in an alternate. Nothing is fetched."""
        return self.place(oid) is not None

    def place(self, oid: Oid) -> Path | None:
        """The root of the store that has the object: this one or an alternate."""
        if self.has_own(oid):
            return self.root
        there = (r for r in self.alternates if object_path(r, oid).exists())
        return next(there, None)

    def has_own(self, oid: Oid) -> bool:
        digits = hex_of(oid)    # without pathlib: a model may have 100,000
        return os.path.exists(f'{self._objects}/{digits[:2]}/{digits[2:]}')

    def wants(self, oid: Oid) -> bool:
        """``has``, for what a manifest is about to name: it is not pruned meanwhile."""
        return self._touch_own(oid) or self.has(oid)

    def _touch_own(self, oid: Oid) -> bool:
        digits = hex_of(oid)
        return freshness.touch(f'{self._objects}/{digits[:2]}/{digits[2:]}', oid)

    def missing(self, oids: Iterable[Oid]) -> set[Oid]:
        """Those that are neither here nor in an alternate."""
        return {oid for oid in oids if not self.has(oid)}

    def find(self, oid: Oid) -> Path | None:
        """The object's file here, in an alternate, or taken over from a remote.

        Raises CorruptObject where the only one is a remote's damaged one.
        """
        if (root := self.place(oid)) is not None:
            return object_path(root, oid)
        damaged = self.gather([oid])
        if self.has_own(oid):
            return self.path(oid)
        if damaged:
            raise CorruptObject(
                f"the object {oid} is damaged in '{damaged[0]}'",
                'mend it there with "git model fsck --repair"', oid=oid,
            )
        return None

    def gather(self, oids: Iterable[Oid]) -> list[Path]:
        """Get those that are only elsewhere, all in one go.

        Each is checked by its SHA-256. The files that are damaged are returned.
        """
        wanted = self.missing(oids)
        if wanted:
            self.recent.clear()
        damaged = self.gather_near(wanted) if wanted else []
        for number, source in enumerate(self.sources if wanted else ()):
            wanted = self.missing(wanted)
            if wanted and number not in self.failures:
                try:
                    with StoreErrors(self.root):
                        source.take(wanted, self)
                except GitModelError as e:      # not asked again by this process
                    self.failures[number] = e
        return damaged

    def gather_near(self, wanted: set[Oid]) -> list[Path]:
        """The same from directories of this machine only."""
        damaged: list[Path] = []
        memory.keep()
        with self.batch() as batch:
            for oid in wanted:
                for root in self.remotes:
                    path = object_path(root, oid)
                    if not path.exists():
                        continue
                    try:
                        with Store(root).open_here(oid) as file:
                            batch.take_over(file, wanted)
                    except CorruptObject:
                        damaged.append(path)
                        continue
                    except MissingObject:       # what it is based on
                        continue
                    break
        return damaged

    @cached_property
    def alternates(self) -> Sequence[Path]:
        return self._find_alternates()

    @cached_property
    def sources(self) -> Sequence[Source]:
        return self._find_sources()

    @cached_property
    def remotes(self) -> Sequence[Path]:
        return self._find_remotes()

    def open(self, oid: Oid) -> ObjectFile:
        """Open an object. Raises MissingObject, CorruptObject."""
        path = self.find(oid)
        if path is None:
            raise self._missing(oid)
        return ObjectFile(path, oid, self.open_here)

    def open_raw(self, oid: Oid, path: str) -> Opened:
        """As ``open``; what lies as it is in the file at path is not decoded."""
        file, span = self.open(oid), self._raw(oid, path)
        if span is None or span.length != file.nbytes:
            return file
        return _Lying(file, span)

    def open_here(self, oid: Oid, depth: int = 0) -> ObjectFile:
        """Open an object of this store or of an alternate; nothing is fetched."""
        path = object_path(self.place(oid) or self.root, oid)
        try:
            return ObjectFile(path, oid, self.open_here, depth)
        except FileNotFoundError:
            raise self._missing(oid) from None

    def read(self, oid: Oid) -> bytes:
        """All raw bytes of a (small) object."""
        with self.open(oid) as file:
            return b''.join(bytes(chunk) for chunk in file.chunks())

    def batch(self) -> Batch:
        from git_model_driver.store.batch import Batch  # 12 ms that readers do not need

        return Batch(self.root, self.wants, self.open_here)

    def scratch(self, root: Path) -> Store:
        """A store at ``root`` that reads this one where it lacks an object."""
        def known() -> Sequence[Path]:
            return [self.root, *self.alternates]

        return Store(root, known, lambda: self.remotes, lambda: self.sources)

    def __iter__(self) -> Iterator[Oid]:
        """The oids of this store's own objects, sorted."""
        for folder in _listdir(self.root / 'objects'):
            for name in _listdir(self.root / 'objects' / folder):
                oid = f'sha256:{folder}{name}'
                if len(folder) == 2 and is_oid(oid):
                    yield Oid(oid)

    def _missing(self, oid: Oid) -> MissingObject:
        return MissingObject(
            f'the object {oid} is not in the store', *self.gone(),
            'get it with "git model pull", or look for it with "git model fsck"',
            oid=oid,
        )

    def gone(self) -> list[str]:
        """Hints about sources and alternates that cannot be reached."""
        failed = [error.message for error in self.failures.values()]
        lenders = [root.parent for root in self.alternates]
        return failed + [
            f"'{path}', which this repository borrows from, is gone: bring it back, or "
            'name its new place in .git/objects/info/alternates'
            for path in lenders if not path.is_dir()
        ]


def _listdir(path: Path) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
