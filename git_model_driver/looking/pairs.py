"""The models that differ between what ``git diff`` compares."""
from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import ConflictMarkers
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.manifest import Manifest
from git_model_driver.filters.filter import Filter
from git_model_driver.filters.filter import warn
from git_model_driver.git import attributes
from git_model_driver.git import diffs
from git_model_driver.git.diffs import Pair

_NOTHING = Manifest('')
_CONFLICT = 'is in conflict'


class Versions(NamedTuple):
    """One model, twice; an empty manifest where a side has none.

    ``other`` says of files that cannot be compared why.
    """

    pair: Pair
    old: Manifest
    new: Manifest
    other: str = ''


def of_arguments(arguments: Sequence[str], filter_: Filter) -> Iterator[Versions]:
    """Raises NotARepository, GitError; a damaged manifest costs a warning, not the
    others.
    """
    _ = filter_.repository      # elsewhere git diff compares files, and we do not
    listed = diffs.pairs(arguments)
    here = {pair.path for pair in listed if pair.new == ''}
    here |= {pair.old_path for pair in listed if pair.old == ''}
    files = _Files(filter_, here)
    unmerged = {pair.path for pair in listed if pair.kind == diffs.UNMERGED}
    for pair in listed:
        if pair.kind == diffs.UNMERGED:
            if _is_model(pair.path, filter_):
                yield Versions(pair, _NOTHING, _NOTHING, _CONFLICT)
            continue
        if pair.path in unmerged:
            continue            # git lists it again, with the file of the worktree
        try:
            old = files.manifest(pair.old, pair.old_path)
            new = files.manifest(pair.new, pair.path)
        except ConflictMarkers:
            yield Versions(pair, _NOTHING, _NOTHING, _CONFLICT)
            continue
        except ManifestError as e:
            warn(e, 'it was left out')
            continue
        sides = [side for side, blob in ((old, pair.old), (new, pair.new))
                 if blob is not None]
        if not any(sides):
            continue            # no model
        if old is None or new is None:
            side = 'before' if old is None else 'now'
            yield Versions(pair, old or _NOTHING, new or _NOTHING,
                           f'is raw bytes {side}, no manifest')
        elif old != new or pair.old_path != pair.path:
            yield Versions(pair, old, new)


def _is_model(path: str, filter_: Filter) -> bool:
    stages = (filter_.blob(f':{stage}:{path}') for stage in (1, 2, 3))
    return any(data and manifests.is_manifest(data) for data in stages)


class _Files:
    """Those of both sides; ``here`` are the paths of the worktree that may be asked."""

    def __init__(self, filter_: Filter, here: Collection[str]) -> None:
        self._filter = filter_
        self._tracked: set[str] = set()
        if here:
            self._tracked = attributes.filtered_from_top(here, filter_.repository)

    def manifest(self, blob: str | None, path: str) -> Manifest | None:
        """None for what is no manifest; an empty one where there is nothing.

        Raises ManifestError, OSError.
        """
        if blob is None:
            return _NOTHING
        if blob:
            return _of_blob(blob, path, self._filter)
        if path not in self._tracked:
            indexed = self._filter.blob(f':0:{path}') or b''
            if not manifests.is_manifest(indexed):
                return None
        found = self._filter.worktree_manifest(path)
        return found if found.format else self._damaged(path)

    def _damaged(self, path: str) -> Manifest:
        """Raises what is wrong with a file that is a manifest, but cannot be read."""
        file = (self._filter.repository.top or Path()) / path
        if file.is_file() and not file.is_symlink():
            data = file.read_bytes()
            if manifests.is_manifest(data):
                return manifests.parse(data, path)
        return _NOTHING


def _of_blob(blob: str, path: str, filter_: Filter) -> Manifest | None:
    data = filter_.blob(blob)
    if not data or not manifests.is_manifest(data):
        return None
    return manifests.parse(data, path)


def manifests_of(
    old: str | None, new: str | None, path: str, filter_: Filter,
) -> tuple[Manifest, Manifest]:
    """Of two blobs; an empty one for None and for what is no manifest.

    Raises ManifestError.
    """
    found = (blob and _of_blob(blob, path, filter_) for blob in (old, new))
    before, after = (manifest or _NOTHING for manifest in found)
    return before, after
