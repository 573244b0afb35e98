"""Model files of the worktree: what they are now, and making them models."""
from __future__ import annotations

import stat
from collections.abc import Collection
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.choice import EVERYTHING
from git_model_driver.core.choice import Choice
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.filters import direct
from git_model_driver.filters.filter import Filter
from git_model_driver.filters.filter import warn
from git_model_driver.git import hooks
from git_model_driver.git import worktree
from git_model_driver.git.repository import Repository


class Tracked(NamedTuple):
    """A path under the filter; ``manifest`` is None where the index has raw bytes."""

    path: str
    blob: str
    manifest: Manifest | None


def tracked(repository: Repository, filter_: Filter) -> list[Tracked]:
    """What the index has of each model that is not in conflict.

    A damaged manifest costs a warning, not the others.
    """
    found = []
    for entry in worktree.models(repository):
        data = filter_.blob(entry.oid)
        if entry.stage or not data:
            continue
        try:
            manifest = None
            if manifests.is_manifest(data):
                manifest = manifests.parse(data, entry.path)
        except ManifestError as e:
            warn(e, 'it was left out')
        else:
            found.append(Tracked(entry.path, entry.oid, manifest))
    return found


def is_manifest(file: Path) -> bool:
    """Whether the file stands for a model that was not written."""
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            return False
        with open(file, 'rb') as opened:
            return manifests.is_manifest(opened.read(len(manifests.MAGIC)))
    except OSError:
        return False


def below(path: str, prefixes: list[str]) -> bool:
    """Whether the path is one of these or inside one; all are if there is none."""
    return not prefixes or any(
        prefix in ('.', path) or path.startswith(f'{prefix}/') for prefix in prefixes
    )


class Written(NamedTuple):
    """Paths: written, those that lack tensors, and those of which a warning told why
    they stay what they are: the manifest was edited, the model cannot be written.
    ``reasons`` say what could not be reached.
    """

    written: list[str]
    lacking: list[str]
    edited: list[str]
    failed: list[str]
    reasons: list[str]


def write_models(
    repository: Repository, filter_: Filter, prefixes: list[str],
    choice: Choice = EVERYTHING,
) -> Written:
    """Turn manifests into models. What cannot be costs a warning, and stays."""
    wanted = {
        path: (blob, manifest) for path, blob, manifest in tracked(repository, filter_)
        if manifest is not None and below(path, prefixes) and choice.has_path(path)
    }
    gather({oid for _, manifest in wanted.values() for oid in manifest.oids}, filter_)
    lacking = [path for path in wanted if _lacks(path, wanted[path][1], filter_)]
    texts = _manifests_in(worktree.top_of(repository), set(wanted) - set(lacking))
    ready = {
        path: data for path, data in texts.items()
        if data == filter_.blob(wanted[path][0])
    }
    written: list[str] = []
    if ready:
        written = direct.write(filter_, ready)
        hooks.ensure(repository)
    edited = [path for path in texts if path not in ready]
    for path in edited:
        _warn_of_edited(path)
    failed = [path for path in ready if path not in written]
    reasons = [error.message for error in filter_.store.failures.values()]
    return Written(written, lacking, edited, failed, reasons)


def _lacks(path: str, manifest: Manifest, filter_: Filter) -> bool:
    if filter_.store.missing(manifest.oids):
        filter_.worktree_manifest(path)     # stores what the file has
    return bool(filter_.store.missing(manifest.oids))


def _manifests_in(top: Path, paths: Collection[str]) -> dict[str, bytes]:
    """What stands in the worktree for those that are manifests there."""
    return {
        path: (top / path).read_bytes() for path in sorted(paths)
        if is_manifest(top / path)
    }


def _warn_of_edited(path: str) -> None:
    file = words.shell(path)
    warn(
        GitModelError(
            f"'{path}' is a manifest, and not the index's",
            f'stage it with "git add {file}", or drop it with '
            f'"git checkout -- {file}"',
        ),
        'it was left alone',
    )


def gather(oids: Iterable[Oid], filter_: Filter) -> None:
    """Get what is not in the store from elsewhere, all together."""
    for damaged in filter_.store.gather(oids):
        warn(
            CorruptObject(
                f"'{damaged}' is damaged",
                'mend it there with "git model fsck --repair"',
            ),
            'it was not taken',
        )


def prefixes_of(paths: list[str], filter_: Filter) -> list[str]:
    """The paths from the top. Raises GitModelError for one that has no models."""
    prefixes = [worktree.from_top(path, filter_.repository) for path in paths]
    known = [entry.path for entry in worktree.models(filter_.repository)]
    for path, prefix in zip(paths, prefixes):
        if not any(below(model, [prefix]) for model in known):
            raise GitModelError(
                f"'{path}' is no tracked model, nor a folder with one",
                'see which there are with "git model ls-files"',
            )
    return prefixes
