"""Where the models of a repository stand: HEAD, index, worktree, upstream, store."""
from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.manifest import Manifest
from git_model_driver.filters import models
from git_model_driver.filters.filter import Filter
from git_model_driver.git import run
from git_model_driver.git import worktree

STAGED, UNSTAGED, UNMERGED = 'staged', 'unstaged', 'unmerged'
UNPUSHED, MISSING, RAW = 'unpushed', 'missing', 'raw'
_NOTHING = Manifest('')


class Change(NamedTuple):
    """One line of the status.

    ``letter`` is Git's (A D M T U); ``tensors`` of ``total`` differ, are missing
    or unsettled, and ``nbytes`` is what those of the newer side take.
    """

    section: str
    letter: str
    path: str
    tensors: int
    total: int
    nbytes: int


def changes(filter_: Filter) -> Iterator[Change]:
    """All there is to say, section by section."""
    worktree.top_of(filter_.repository)
    yield from _between(STAGED, filter_, 'diff', '--cached')
    yield from _unstaged(filter_)
    yield from _unmerged(filter_)
    upstream = run.attempt('rev-parse', '--verify', '--quiet', '@{upstream}')
    if upstream.code == 0:
        yield from _between(UNPUSHED, filter_, 'diff', '@{upstream}', 'HEAD')
    for path, _, manifest in models.tracked(filter_.repository, filter_):
        if manifest is None:
            yield Change(RAW, 'M', path, 0, 0, 0)
            continue
        oids = filter_.store.missing(manifest.oids)
        if oids:
            sizes = [e.nbytes for e in manifest.tensors.values() if e.oid in oids]
            total = len(set(manifest.oids))
            yield Change(MISSING, 'M', path, len(oids), total, sum(sizes))


class _Raw(NamedTuple):
    """A record of ``git diff --raw``."""

    old: str
    new: str
    letter: str
    path: str


def _raw(*command: str) -> Iterator[_Raw]:
    fields = run.zsplit(
        *command[:1], '--raw', '-z', '--no-renames', '--no-abbrev', '--no-relative',
        *command[1:], '--',
        ':(top,attr:filter=model)',
    )
    for facts, path in zip(fields[::2], fields[1::2]):
        before, after, old, new, letter = facts.decode().lstrip(':').split()
        if {before, after} & worktree.REGULAR_FILES:
            yield _Raw(old, new, letter[0], os.fsdecode(path))


def _between(section: str, filter_: Filter, *command: str) -> Iterator[Change]:
    for old, new, letter, path in _raw(*command):
        if letter != 'U':
            sides = (_manifest(filter_.blob(oid), path) for oid in (old, new))
            yield _compare(section, letter, path, *sides)


def _unstaged(filter_: Filter) -> Iterator[Change]:
    records = list(_raw('diff-files'))
    unmerged = {record.path for record in records if record.letter == 'U'}
    for old, _, letter, path in records:
        if path in unmerged:
            continue
        new = _NOTHING if letter == 'D' else filter_.worktree_manifest(path)
        change = _compare(
            UNSTAGED, letter, path, _manifest(filter_.blob(old), path), new,
        )
        if change.tensors or letter != 'M':
            yield change


def _unmerged(filter_: Filter) -> Iterator[Change]:
    top = worktree.top_of(filter_.repository)
    paths = {
        entry.path for entry in worktree.models(filter_.repository) if entry.stage
    }
    for path in sorted(paths):
        try:
            text = (top / path).read_text(encoding='utf-8', errors='replace')
        except OSError:
            text = ''
        yield Change(UNMERGED, 'U', path, manifests.conflict_count(text), 0, 0)


def _manifest(data: bytes | None, path: str) -> Manifest:
    if data is None or not manifests.is_manifest(data):
        return _NOTHING
    try:
        return manifests.parse(data, path)
    except ManifestError:
        return _NOTHING


def _compare(
    section: str, letter: str, path: str, old: Manifest, new: Manifest,
) -> Change:
    before, after = _parts(old), _parts(new)
    names = {name for name, _, _ in before ^ after}
    nbytes = sum(nbytes for _, _, nbytes in after - before)
    return Change(section, letter, path, len(names), len(after or before), nbytes)


def _parts(manifest: Manifest) -> set[tuple[str, object, int]]:
    """(name, identity, bytes) of each tensor, or of each piece of an opaque file."""
    tensors = {(e.name, e, e.nbytes) for e in manifest.tensors.values()}
    return tensors | {(c.oid, c, c.nbytes) for c in manifest.chunks}
