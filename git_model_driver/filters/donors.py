"""Where bytes that are lost in the store may be had again."""
from __future__ import annotations

import os
import stat
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import Changed
from git_model_driver.filters.clean import take_apart
from git_model_driver.git import history
from git_model_driver.git import run
from git_model_driver.git import worktree
from git_model_driver.git.repository import Repository
from git_model_driver.store.places import Places
from git_model_driver.store.repair import MendingStore
from git_model_driver.store.source import FileSource

Take = Callable[[MendingStore], None]


def donors(repository: Repository, store: MendingStore) -> Iterator[tuple[str, Take]]:
    """What to say of each place, and how to take from it; the nearest come first."""
    yield 'what was set aside', MendingStore.take_from_leftovers
    for root in (*store.alternates, *store.remotes):
        yield f"'{root}'", partial(_from_store, root)
    for top in worktree.tops():
        for path in worktree.files_of_models(top):
            yield f"'{top / path}'", partial(_from_file, top / path)
    for blob, path in history.raw_models(history.everything()):
        yield f"blob {blob[:12]} ('{path}')", partial(_from_blob, blob, path)


def _from_store(root: Path, store: MendingStore) -> None:
    store.take_from(root)


def _from_file(path: Path, store: MendingStore) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    with open(fd, 'rb') as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return
        if manifests.is_manifest(file.read(len(manifests.MAGIC))):
            return
        _from_source(FileSource(fd, path.name, str(path.parent)), store)


def _from_blob(blob: str, path: str, store: MendingStore) -> None:
    import tempfile  # 5 ms

    scratch = store.root / 'tmp'
    Places(store.root).folder(scratch)
    with tempfile.NamedTemporaryFile(dir=scratch, prefix='incoming-') as file:
        run.into(file.fileno(), 'cat-file', 'blob', blob)
        _from_source(FileSource(file.fileno(), path), store)


def _from_source(source: FileSource, store: MendingStore) -> None:
    try:
        if source.size:
            take_apart(source, store)
    except Changed:
        return
    finally:
        source.close_siblings()
