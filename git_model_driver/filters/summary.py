"""What a model looks like: its manifest and the statistics of its tensors."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from typing import Optional
from typing import Union

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import NotARepository
from git_model_driver.core.manifest import Manifest
from git_model_driver.filters import statistics
from git_model_driver.filters.clean import take_apart
from git_model_driver.filters.statistics import Statistics
from git_model_driver.git import repository as repositories
from git_model_driver.store.cache import Cache
from git_model_driver.store.locate import store_of
from git_model_driver.store.objects import Store
from git_model_driver.store.source import FileSource
from git_model_driver.store.statcache import StatCache


class Summary(NamedTuple):
    """``statistics`` by tensor name; None for what has none."""

    manifest: Manifest
    statistics: Mapping[str, Optional[Statistics]]


def of_file(name: str) -> Union[Summary, bytes]:
    """The summary of a model file or manifest, or text that is shown as it is.

    That is an empty file, and a manifest with conflicts or damage.
    """
    with open(name, 'rb') as file:
        head = file.read(len(manifests.MAGIC))
        if not head:
            return b''
        if manifests.is_manifest(head):
            return _of_manifest(head + file.read())
        return _of_model(name, file.fileno())


def _of_manifest(data: bytes) -> Union[Summary, bytes]:
    try:
        manifest = manifests.parse(data)
    except ManifestError:
        return data
    try:
        repository = repositories.find()
    except NotARepository:
        return Summary(manifest, {})
    cache = Cache(repository.store_root / 'statistics.sqlite')
    return _with_statistics(manifest, store_of(repository), cache)


def _of_model(name: str, fd: int) -> Summary:
    """A file of the worktree; outside a repository any file."""
    source = FileSource(fd, name)
    try:
        repository = repositories.find()
    except NotARepository:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder))
            cache = Cache(Path(folder) / 'statistics.sqlite')
            return _with_statistics(take_apart(source, store), store, cache)
    store = store_of(repository)
    manifest = _cached(name, fd, repository) or take_apart(source, store)
    cache = Cache(repository.store_root / 'statistics.sqlite')
    return _with_statistics(manifest, store, cache)


def _cached(name: str, fd: int, repository: repositories.Repository) -> Manifest | None:
    """The manifest that clean, which git has just run, left in the stat cache."""
    if repository.top is None:
        return None
    path = os.path.relpath(os.path.abspath(name), repository.top)
    text = StatCache(repository.private / 'clean').get(path, os.fstat(fd))
    return manifests.parse(text) if text else None


def _with_statistics(manifest: Manifest, store: Store, cache: Cache) -> Summary:
    entries = list(manifest.tensors.values())
    try:
        return Summary(manifest, statistics.of_all(entries, store, cache))
    except GitModelError:
        return Summary(manifest, {})
