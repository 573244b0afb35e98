"""What takes space: per model and per tensor, over the whole history."""
from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.git import roots
from git_model_driver.git.history import Found
from git_model_driver.git.repository import Repository
from git_model_driver.git.roots import Roots
from git_model_driver.store.objects import Store
from git_model_driver.upkeep import needed

SKELETON, PIECES = '(layout)', '(pieces)'


class Use(NamedTuple):
    """Of one name: different objects, their raw bytes, what they take on disk.

    ``missing`` of the objects are not in this store.
    """

    name: str
    objects: int
    raw: int
    stored: int
    missing: int


class Usage(NamedTuple):
    """``uses`` may count an object more than once, the totals do not."""

    uses: list[Use]
    total: Use
    unneeded: Use
    other: int      # bytes of temporary files, of damaged objects, of statistics


def usage(
    repository: Repository, store: Store, revisions: tuple[str, ...] = (),
    path: str | None = None,
) -> Usage:
    """By model; by tensor of one model where ``path`` is given."""
    roots_ = Roots(revisions) if revisions else roots.everything(repository)
    found = list(roots.manifests_of(roots_))
    groups: dict[str, set[Oid]] = defaultdict(set)
    for blob in found:
        for name, oid in _parts(blob):
            if path is None:
                groups[blob.path].add(oid)
            elif blob.path == path:
                groups[name].add(oid)
    sizes = _Sizes(store)
    counted = set().union(*groups.values())
    uses = [sizes.use(name, oids) for name, oids in groups.items()]
    uses.sort(key=lambda use: (-use.stored, use.name))
    kept = needed.with_bases(needed.everything(repository), store)
    rest = {oid for oid in store if oid not in kept}
    return Usage(
        uses, sizes.use('total', counted), sizes.use('unneeded', rest),
        sum(_bytes_below(store.root / name) for name in ('tmp', 'damaged')),
    )


def _parts(blob: Found) -> Iterator[tuple[str, Oid]]:
    try:
        manifest = manifests.parse(blob.data, blob.path)
    except ManifestError:
        return
    yield from ((entry.name, entry.oid) for entry in manifest.tensors.values())
    yield from ((PIECES, chunk.oid) for chunk in manifest.chunks)
    if manifest.skeleton:
        yield SKELETON, manifest.skeleton.oid


class _Sizes:
    """(raw bytes, bytes on disk) of objects, each looked up once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[Oid, tuple[int, int] | None] = {}

    def use(self, name: str, oids: Iterable[Oid]) -> Use:
        listed = list(oids)
        sizes = [size for oid in listed if (size := self._size(oid))]
        return Use(
            name, len(listed), sum(raw for raw, _ in sizes),
            sum(stored for _, stored in sizes), len(listed) - len(sizes),
        )

    def _size(self, oid: Oid) -> tuple[int, int] | None:
        if oid not in self._known:
            try:
                with self._store.open_here(oid) as file:
                    self._known[oid] = file.nbytes, file.stored
            except (StoreError, OSError):
                self._known[oid] = None
        return self._known[oid]


def _bytes_below(folder: Path) -> int:
    return sum(
        os.lstat(os.path.join(top, name)).st_size
        for top, _, names in os.walk(folder) for name in names
    )
