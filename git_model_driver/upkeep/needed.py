"""Which objects the store may not lose.

What is needed by any ref, reflog, stash, index, worktree, merge in progress or
resolution that rerere remembers; and what those objects are based on.
"""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.git import roots
from git_model_driver.git import worktree
from git_model_driver.git.history import Found
from git_model_driver.git.repository import Repository
from git_model_driver.store.objects import Store

_LARGEST_TEXT = 256 << 20


def everything(repository: Repository) -> set[Oid]:
    """Raises GitError where Git cannot list all: then anything may be needed."""
    found = oids_of(roots.manifests_of(roots.everything(repository)))
    for file in _loose_manifests(repository):
        found |= _oids_in_file(file)
    return found


def oids_of(found: Iterable[Found]) -> set[Oid]:
    """The objects that manifests name, damaged ones and those with conflicts, too."""
    oids: set[Oid] = set()
    for blob in found:
        oids |= manifests.oids_in(blob.data.decode('utf-8', 'replace'))
    return oids


def _loose_manifests(repository: Repository) -> Iterator[Path]:
    """Files outside Git's objects that may be manifests.

    A conflict that is being resolved has tensors that are nowhere else.
    """
    yield from (repository.common_dir / 'rr-cache').glob('*/*')
    for top in worktree.tops():
        yield from (top / name for name in worktree.files_of_models(top))


def _oids_in_file(file: Path) -> set[Oid]:
    try:
        if file.is_symlink() or not file.is_file():
            return set()
        with open(file, 'rb') as opened:
            head = opened.read(len(manifests.MAGIC))
            if not manifests.is_manifest(head):
                return set()
            data = head + opened.read(_LARGEST_TEXT)
    except OSError:
        return set()
    return manifests.oids_in(data.decode('utf-8', 'replace'))


def with_bases(oids: Iterable[Oid], store: Store) -> set[Oid]:
    """These, and all that they are based on. What cannot be read has no base."""
    found: set[Oid] = set()
    for oid in oids:
        base: Oid | None = oid
        while base is not None and base not in found:
            found.add(base)
            base = _base_of(base, store)
    return found


def _base_of(oid: Oid, store: Store) -> Oid | None:
    try:
        with store.open_here(oid) as file:
            return file.header.base
    except (StoreError, OSError):
        return None
