"""Git's merge driver: three files with manifests in, the result in one of them.

It runs before Git looks at the worktree and under the index lock: besides the
result, all it writes are new objects in the store. It never leaves *ours* in the
result file together with a conflict's exit code.
"""
from __future__ import annotations

import shutil
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from typing import Optional

from git_model_driver.core import manifest as manifests
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.trailer import Way
from git_model_driver.git import operation
from git_model_driver.git.sides import Blob
from git_model_driver.merging import conflicts
from git_model_driver.merging import siblings
from git_model_driver.merging.conflicts import Labels
from git_model_driver.merging.merge import Merged
from git_model_driver.merging.merge import merge
from git_model_driver.merging.rulefiles import load
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.sanity import Sanity
from git_model_driver.merging.versions import Means
from git_model_driver.merging.versions import Versions
from git_model_driver.merging.versions import means_for
from git_model_driver.store.objects import Store


class Call(NamedTuple):
    """What git passes: the files of the sides, and the path they are for."""

    base: Path
    ours: Path          # and the result
    theirs: Path
    path: str
    labels: Labels


class Outcome(NamedTuple):
    """``reasons`` by conflict; ``counts`` of tensors by where they came from."""

    reasons: dict[str, str]
    counts: dict[str, int]
    notes: Sequence[str] = ()
    sanity: Optional[Sanity] = None
    merging: bool = False       # not carrying a change over
    text: Optional[str] = None  # of the merged manifest, if nothing is open
    ways: Mapping[Way, int] = MappingProxyType({})
    others: bool = False        # there were rules that .gitmodel does not have


def run(call: Call, store: Store, given: Sequence[Blob]) -> Outcome:
    """Merge as the rules say, write the result.

    ``given`` is what git has of base, ours and theirs: contents or oids.
    """
    for side, other in (('ours', 'theirs'), ('theirs', 'ours')):
        if getattr(call, side).stat().st_size == 0:
            reason = f'emptied in {side}, changed in {other}'
            fall_back(call, reason)
            return Outcome({'the whole file': reason}, {})
    versions = read_versions(call)
    fall_back(call)     # what stays if we are killed
    rules = load(operation.current(call.path))
    means = means_for(call.path, rules, store, siblings.find(call.path, given), 2)
    merged = merge(versions, means)
    if merged.reasons:
        text = conflicts.render(merged, versions, call.labels)
    else:
        text = manifests.serialize(merged.manifest)
    call.ours.write_bytes(text.encode())
    return Outcome(
        merged.reasons, dict(merged.counts), merged.notes, merged.sample.outcome(),
        rules.operation == operation.MERGE, None if merged.reasons else text,
        merged.ways, rules.has_others,
    )


def replay(call: Call) -> bool | None:
    """Whether a recorded resolution fits; None unless ``git rerere`` asks for one.

    It calls the driver with the conflict as it was recorded for base, that of now
    for ours, and the file that settled it, as it lay in the worktree, for theirs.
    """
    base, ours = call.base.read_bytes(), call.ours.read_bytes()
    if not manifests.is_manifest(ours) or not (
        manifests.has_conflict(ours.decode('utf-8', 'replace'))
    ):
        return None
    if base == ours:
        shutil.copyfile(call.theirs, call.ours)
    return base == ours


def run_virtual(call: Call, store: Store) -> None:
    """Merge two of several common ancestors into the base of a criss-cross merge.

    It is no result for anybody: equal weights whatever the rules say, and what
    cannot be combined stays as it was in their own base, or as it is in ours.
    """
    versions = read_versions(call)
    merged = merge(versions, Means(Rules([], operation.MERGE), store))
    result = _without_conflicts(merged, versions)
    call.ours.write_bytes(manifests.serialize(result).encode())


def _without_conflicts(merged: Merged, versions: Versions) -> Manifest:
    stand_in = versions.base or versions.ours
    if merged.whole or merged.layout_conflict:
        return stand_in
    tensors, meta = dict(merged.tensors), dict(merged.meta)
    for name in merged.conflicts:
        if name in stand_in.tensors:
            tensors[name] = stand_in.tensors[name]
    for key in merged.meta_conflicts:
        if key in stand_in.meta:
            meta[key] = stand_in.meta[key]
    return Manifest(merged.format, merged.skeleton, meta, tensors)


def read_versions(call: Call) -> Versions:
    base = call.base.read_bytes()
    return Versions(
        manifests.parse(base, call.path) if base else None,
        (
            manifests.parse(call.ours.read_bytes(), call.path),
            manifests.parse(call.theirs.read_bytes(), call.path),
        ),
    )


def fall_back(call: Call, reason: str = 'the merge driver failed') -> None:
    """Leave a conflict that covers the whole file, so that nobody adds ours unseen.

    A side that is no manifest (empty, or raw bytes) is shown as nothing. Where there
    is a conflict already, it stays.
    """
    common = '\n'.join((manifests.FIRST_LINE, *manifests.COMMENT)) + '\n'
    bodies = []
    for side in (call.ours, call.theirs):
        data = side.read_bytes()
        text = data.decode('utf-8', 'replace') if manifests.is_manifest(data) else ''
        if side == call.ours and manifests.has_conflict(text):
            return
        bodies.append(text.removeprefix(common))
    ours, theirs = bodies
    marked = conflicts.whole_file(ours, theirs, reason, call.labels)
    call.ours.write_bytes((common + marked).encode())
