"""The models that differ between what ``git diff`` compares."""
from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.manifest import Manifest
from git_model_driver.filters.filter import Filter
from git_model_driver.filters.filter import warn
from git_model_driver.git import attributes
from git_model_driver.git import diffs
from git_model_driver.git.diffs import Pair

_NOTHING = Manifest('')


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
    for pair in diffs.pairs(arguments):
        if pair.kind == diffs.UNMERGED:
            if _is_model(pair.path, filter_):
                yield Versions(pair, _NOTHING, _NOTHING, 'is in conflict')
            continue
        try:
            old = _manifest(pair.old, pair.old_path, filter_)
            new = _manifest(pair.new, pair.path, filter_)
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


def _manifest(blob: str | None, path: str, filter_: Filter) -> Manifest | None:
    """None for what is no manifest; an empty one where there is nothing."""
    if blob is None:
        return _NOTHING
    if not blob:
        indexed = filter_.blob(f':0:{path}') or b''
        if manifests.is_manifest(indexed) or (
            attributes.filtered_from_top([path], filter_.repository)
        ):
            return filter_.worktree_manifest(path)
        return None
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
    found = (_manifest(blob, path, filter_) for blob in (old, new))
    before, after = (manifest or _NOTHING for manifest in found)
    return before, after
