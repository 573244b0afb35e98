"""What a model looks like: its manifest and the statistics of its tensors.

For git diff this is a process for each side: what it takes to read tensors is imported
where some have to be read.
"""
from __future__ import annotations

import os
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from typing import Optional
from typing import Union

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import ConflictMarkers
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import NotARepository
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.filters import statistics
from git_model_driver.filters.statistics import Statistics
from git_model_driver.filters.statistics import Tell
from git_model_driver.git import repository as repositories
from git_model_driver.store.cache import Cache


class Summary(NamedTuple):
    """``statistics`` by tensor name; None for what has none."""

    manifest: Manifest
    statistics: Mapping[str, Optional[Statistics]]


class Conflicted(NamedTuple):
    """A manifest with conflicts: its lines, and statistics by tensor line."""

    lines: Sequence[str]
    statistics: Mapping[str, tuple[Entry, Optional[Statistics]]]


def of_file(name: str) -> Union[Summary, Conflicted, bytes]:
    """The summary of a model file or manifest, or text that is shown as it is.

    That is an empty file, and a damaged manifest.
    """
    with open(name, 'rb') as file:
        head = file.read(len(manifests.MAGIC))
        if not head:
            return b''
        if manifests.is_manifest(head):
            return _of_manifest(head + file.read(), name)
        return _of_model(name, file.fileno())


def _of_manifest(data: bytes, name: str) -> Union[Summary, Conflicted, bytes]:
    try:
        manifest = manifests.parse(data)
    except ConflictMarkers:
        return _of_conflicted(data.decode())
    except ManifestError:
        return data
    return _summary(manifest, name)


def _summary(manifest: Manifest, name: str) -> Summary:
    path = words.printable(os.path.basename(name))

    def tell(entry: Entry, error: CorruptObject) -> None:
        from git_model_driver.filters.filter import warn

        warn(error, f"tensor '{entry.name}' of '{path}' is shown without statistics")

    return Summary(manifest, _statistics(list(manifest.tensors.values()), tell))


def _of_conflicted(text: str) -> Conflicted:
    lines = text.removesuffix('\n').split('\n')
    entries = {}
    for line in lines:
        with suppress(ValueError, GitModelError):
            word, *rest = line.split(' ')
            if word == 'tensor':
                entries[line] = manifests.parse_entry(rest)
    # Both sides of a conflict have the name: it does not tell lines apart.
    named = {line: entry._replace(name=line) for line, entry in entries.items()}
    found = _statistics(list(named.values()))
    return Conflicted(lines, {
        line: (entry, found.get(line)) for line, entry in entries.items()
    })


def _statistics(
    entries: Sequence[Entry], tell: Tell = lambda entry, error: None,
) -> Mapping[str, Optional[Statistics]]:
    try:
        repository = repositories.find()
    except NotARepository:
        return {}
    cache = Cache(repository.store_root / 'statistics.sqlite')
    known = statistics.remembered(entries, cache)
    if all(entry.name in known for entry in entries):
        return known
    from git_model_driver.transfer.locate import store_of

    return statistics.of_all(entries, store_of(repository), cache, tell)


def _of_model(name: str, fd: int) -> Summary:
    """A file of the worktree; outside a repository any file."""
    from git_model_driver.filters.clean import take_apart
    from git_model_driver.store.source import FileSource
    from git_model_driver.store.statcache import known_manifest

    source = FileSource(fd, name, os.path.dirname(os.path.abspath(name)))
    try:
        repository = repositories.find()
    except NotARepository:
        import tempfile

        from git_model_driver.store.objects import Store

        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder))
            cache = Cache(Path(folder) / 'statistics.sqlite')
            manifest = take_apart(source, store)
            entries = list(manifest.tensors.values())
            return Summary(manifest, statistics.of_all(entries, store, cache))
    cached = known_manifest(name, fd, repository)
    if cached is not None:
        return _summary(cached, name)
    from git_model_driver.transfer.locate import store_of

    return _summary(take_apart(source, store_of(repository)), name)

