"""How long objects are: a server wants to be told, and our names do not say it."""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import FormatError
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import is_oid
from git_model_driver.git import roots
from git_model_driver.git.repository import Repository
from git_model_driver.store.objects import Store


def sizes_of(
    oids: Iterable[Oid], store: Store, repository: Repository,
) -> dict[Oid, int]:
    """Of those that are in the store or that any manifest names."""
    found: dict[Oid, int] = {}
    unknown: set[Oid] = set()
    for oid in oids:
        size = _in_store(oid, store)
        if size is None:
            unknown.add(oid)
        else:
            found[oid] = size
    if unknown:
        found.update(_named(unknown, repository))
    return found


def _in_store(oid: Oid, store: Store) -> int | None:
    if not store.has(oid):
        return None
    try:
        with store.open_here(oid) as file:
            return file.nbytes
    except (StoreError, OSError):
        return None


def _named(wanted: set[Oid], repository: Repository) -> dict[Oid, int]:
    """The newest manifests are read first, and no more of them than it takes."""
    found: dict[Oid, int] = {}
    for blob in roots.manifests_of(roots.everything(repository)):
        text = blob.data.decode('utf-8', 'replace')
        if not wanted.isdisjoint(manifests.oids_in(text)):
            found.update(p for p in _sizes_in(text) if p[0] in wanted)
        if len(found) == len(wanted):
            break
    return found


def _sizes_in(text: str) -> Iterator[tuple[Oid, int]]:
    """Line by line: the other lines may be unsettled, or of a newer version."""
    for line in text.split('\n'):
        kind, *words = line.split(' ')
        try:
            if kind == 'tensor':
                entry = manifests.parse_entry(words)
                yield entry.oid, entry.nbytes
            elif kind in ('chunk', 'layout') and is_oid(words[0]):
                yield Oid(words[0]), int(words[1])
        except (ValueError, FormatError, IndexError):
            continue
