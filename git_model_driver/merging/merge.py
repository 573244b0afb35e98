"""Several manifests become one, and a list of what could not be settled."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.manifest import OPAQUE
from git_model_driver.core.model import Blob
from git_model_driver.core.model import Entry
from git_model_driver.core.model import Manifest
from git_model_driver.core.trailer import Way
from git_model_driver.merging import entries
from git_model_driver.merging import layouts
from git_model_driver.merging import metadata
from git_model_driver.merging import notes
from git_model_driver.merging import renames
from git_model_driver.merging import ties
from git_model_driver.merging.alignment import versions as alignment
from git_model_driver.merging.desk import Room
from git_model_driver.merging.sanity import Sample
from git_model_driver.merging.settle import Job
from git_model_driver.merging.settle import Settled
from git_model_driver.merging.settle import settle_all
from git_model_driver.merging.threeway import Decision
from git_model_driver.merging.threeway import Who
from git_model_driver.merging.threeway import decide
from git_model_driver.merging.units import registry as units
from git_model_driver.merging.units.base import Side
from git_model_driver.merging.units.base import Unsettled
from git_model_driver.merging.versions import Means
from git_model_driver.merging.versions import Versions
from git_model_driver.store.batch import Batch


@dataclass
class Merged:
    """The outcome: what is settled, and why the rest is not.

    ``whole`` is set where the files cannot be merged tensor by tensor at all;
    ``conflicts`` and ``meta_conflicts`` give the reason by name, and
    ``layout_conflict`` that for the container. ``counts`` has the number of tensors
    by where they came from, ``ways`` how many were settled in which, ``notes`` lines
    for the report. ``who`` changed a tensor (a label, ``same`` or ``both``), and
    ``how`` those that several did were settled.
    """

    format: str = ''
    meta: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, Entry] = field(default_factory=dict)
    skeleton: Blob | None = None
    chunks: tuple[Blob, ...] = ()
    conflicts: dict[str, str] = field(default_factory=dict)
    meta_conflicts: dict[str, str] = field(default_factory=dict)
    layout_conflict: str | None = None
    whole: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    ways: Counter[Way] = field(default_factory=Counter)
    who: dict[str, str] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)
    sample: Sample = field(default_factory=Sample)

    @property
    def manifest(self) -> Manifest:
        """What is settled."""
        return Manifest(
            self.format, self.skeleton, self.meta, self.tensors, self.chunks,
        )

    @property
    def reasons(self) -> dict[str, str]:
        """Every conflict by what it is in, for people."""
        found = {f'meta "{key}"': why for key, why in self.meta_conflicts.items()}
        if self.layout_conflict:
            found['layout'] = self.layout_conflict
        if self.whole:
            found['the whole file'] = self.whole
        return {**found, **self.conflicts}


class _Dry(Exception):
    """Leaves a batch without keeping its objects."""


def merge(versions: Versions, means: Means, keep: bool = True) -> Merged:
    """Merge tensor by tensor. With ``keep`` False no object stays in the store."""
    unchanged = decide(versions.base, *versions.sides)
    if unchanged.value is not None:
        return _as_it_is(unchanged.value)
    if reason := _not_mergeable(versions):
        return Merged(whole=reason)
    if alignment.is_wanted(means.rules):
        return _merge_aligned(versions, means, keep)
    return _merge(versions, means, keep)


def _merge_aligned(versions: Versions, means: Means, keep: bool) -> Merged:
    """Merge with all units in one order.

    It is settled as a whole or not at all: a tensor that somebody takes from one
    side as it was would not fit the others.
    """
    try:
        with alignment.together(
            versions.base, versions.sides, versions.labels, means.rules,
            means.siblings, means.store,
        ) as found:
            aligned = versions._replace(base=found.base, sides=found.sides)
            merged = _merge(aligned, means._replace(scratch=found.store), keep)
    except GitModelError as e:
        hint = f' ({e.hints[0]})' if e.hints else ''
        return Merged(whole=f'the versions cannot be aligned: {e.message}{hint}')
    if merged.reasons:
        name, why = next(iter(merged.reasons.items()))
        return Merged(whole=f'aligned, but not merged: {name}: {why}')
    merged.notes[:0] = found.notes
    return merged


def _merge(versions: Versions, means: Means, keep: bool) -> Merged:
    base = versions.ancestor
    formats = [side.format for side in versions.sides]
    merged = Merged(next((f for f in formats if f != base.format), base.format))
    meta = metadata.merge(versions, merged.format)
    merged.meta, merged.meta_conflicts = meta.values, meta.conflicts
    merged.notes += meta.notes
    try:
        with means.store.batch() as batch:
            _merge_tensors(versions, means, merged, batch)
            if not keep:
                raise _Dry
    except _Dry:
        return merged
    if merged.whole:
        return merged
    try:
        result = _with_ours(merged, versions.ours)
        merged.skeleton = layouts.find_layout(
            versions.base, versions.sides, result, means.store,
        )
    except Unsettled as e:
        merged.layout_conflict = str(e)
    return merged


def _as_it_is(manifest: Manifest) -> Merged:
    return Merged(
        manifest.format, dict(manifest.meta), dict(manifest.tensors),
        manifest.skeleton, manifest.chunks,
    )


def _not_mergeable(versions: Versions) -> str | None:
    formats = {side.format for side in versions.sides}
    if OPAQUE in formats:
        return 'both sides changed it, and it is no model that can be read'
    if len(formats) > 1:
        said = ', '.join(
            f'{label} {side.format}'
            for label, side in zip(versions.labels, versions.sides)
        )
        return f'formats differ: {said}'
    return None


def _merge_tensors(
    versions: Versions, means: Means, merged: Merged, batch: Batch,
) -> None:
    sides = [side.tensors for side in versions.sides]
    followed = renames.follow(versions.ancestor.tensors, sides, versions.labels)
    base, sides = followed.base, list(followed.versions)
    merged.notes += followed.notes
    merged.conflicts.update(followed.conflicts)
    merged.conflicts.update(ties.torn(base, sides, versions.labels))
    merged.conflicts.update(
        ties.torn_aliases(versions.ancestor, versions.sides, versions.labels),
    )
    rules = means.rules.for_names(
        name for side in (base, *sides) for name in side
    )
    room = Room(
        rules, versions.labels, means.siblings, means.scratch or means.store, batch,
        means.fisher,
    )
    jobs, shared = [], ties.Shared(merged.format)
    for unit in units.find(base, sides):
        if merged.conflicts.keys() & set(unit.names):
            continue
        decision = decide(_of(unit, base), *(_of(unit, side) for side in sides))
        if decision.who is not Who.MANY:
            _take(unit, decision, versions.labels, merged)
        elif shared.is_first(unit, base, sides):
            jobs.append(Job(unit, base, tuple(sides), decision.changed))
    for job, settled in zip(jobs, settle_all(jobs, room)):
        _take_in(job, settled, merged)
        for name in shared.followers(job.unit):
            _follow(name, job, merged)
    merged.notes = notes.gathered(merged.notes)
    if means.scratch is not None:
        for entry in merged.tensors.values():
            if means.scratch.has_own(entry.oid):
                with means.scratch.open_here(entry.oid) as file:
                    batch.take_over(file)
    elif warning := merged.sample.unrelated:
        merged.notes.append(f'warning: {warning}')
        if rules.choose('').strict:
            merged.whole = warning


def _of(unit: units.Unit, side: Side) -> tuple[Entry | None, ...] | None:
    """A unit on one side; None where nothing of it is there."""
    found = tuple(side.get(name) for name in unit.names)
    return found if any(found) else None


def _take(
    unit: units.Unit, decision: Decision[tuple[Entry | None, ...]],
    labels: Sequence[str], merged: Merged,
) -> None:
    key = decision.who.value
    if decision.who is Who.ONE:
        key = labels[decision.changed[0]]
    merged.counts[key] += len(unit.names)
    if decision.who is not Who.NEITHER:
        merged.who.update(dict.fromkeys(unit.names, key))
    for name, entry in zip(unit.names, decision.value or ()):
        if entry is not None:
            merged.tensors[name] = entry


def _take_in(job: Job, settled: Settled, merged: Merged) -> None:
    merged.counts['many'] += len(job.unit.names)
    merged.notes += settled.notes
    merged.who.update(dict.fromkeys(job.unit.names, 'both'))
    methods = [way.method for way in settled.ways]
    merged.how.update(dict.fromkeys(job.unit.names, '+'.join(methods)))
    if settled.reason is not None:
        present = [n for n in job.unit.names if any(n in side for side in job.sides)]
        merged.conflicts.update(dict.fromkeys(present, settled.reason))
        return
    merged.tensors.update(settled.entries)
    merged.counts.update(f'by {method}' for method in methods)
    merged.ways.update(settled.ways)
    merged.sample.merge(settled.sample)


def _follow(name: str, job: Job, merged: Merged) -> None:
    """A tensor that sees the same storage as the job's in all versions."""
    first = job.unit.names[0]
    merged.counts['many'] += 1
    merged.who[name] = 'both'
    merged.how[name] = merged.how[first]
    if first in merged.conflicts:
        merged.conflicts[name] = merged.conflicts[first]
        return
    settled, like = merged.tensors[first], job.sides[0][name]
    extra = entries.stored(like) if entries.as_storage(like) is like else like.extra
    merged.tensors[name] = like._replace(oid=settled.oid, extra=extra)


def _with_ours(merged: Merged, ours: Manifest) -> Manifest:
    """What is settled, and ours where nothing is: to find a layout by."""
    result = merged.manifest
    meta, tensors = dict(result.meta), dict(result.tensors)
    meta.update((k, v) for k, v in ours.meta.items() if k in merged.meta_conflicts)
    tensors.update((n, e) for n, e in ours.tensors.items() if n in merged.conflicts)
    return Manifest(result.format, None, meta, tensors)


