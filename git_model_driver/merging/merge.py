"""Three manifests become one, and a list of what could not be settled."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from typing import NamedTuple
from typing import Optional

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import FormatError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.manifest import OPAQUE
from git_model_driver.core.manifest import Blob
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.formats import registry
from git_model_driver.formats.base import canonical_writer
from git_model_driver.formats.base import rebuilder
from git_model_driver.merging import tensors
from git_model_driver.merging.rules import Choice
from git_model_driver.merging.threeway import Who
from git_model_driver.merging.threeway import decide
from git_model_driver.merging.threeway import decide_all
from git_model_driver.store.batch import Batch
from git_model_driver.store.objects import Store

Choose = Callable[[str], Choice]
SIDES = ('base', 'ours', 'theirs')
_ABSENT = Manifest('')


class Versions(NamedTuple):
    """The three sides; base is None where there is no common ancestor."""

    base: Optional[Manifest]
    ours: Manifest
    theirs: Manifest

    @property
    def ancestor(self) -> Manifest:
        return self.base or _ABSENT


@dataclass
class Merged:
    """The outcome: what is settled, and why the rest is not.

    ``whole`` is set where the files cannot be merged tensor by tensor at all;
    ``conflicts`` and ``meta_conflicts`` give the reason by name, and
    ``layout_conflict`` that for the container.
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


def merge(versions: Versions, choose: Choose, store: Store) -> Merged:
    """Merge tensor by tensor; ``choose`` gives the method for a name."""
    base, ours, theirs = versions.ancestor, versions.ours, versions.theirs
    unchanged = decide(versions.base, ours, theirs)
    if unchanged.value is not None:
        return _as_it_is(unchanged.value)
    if reason := _not_mergeable(versions):
        return Merged(whole=reason)
    merged = Merged(ours.format if base.format != ours.format else theirs.format)
    _merge_meta(versions, merged)
    decisions = decide_all(base.tensors, ours.tensors, theirs.tensors)
    with store.batch() as batch:
        for name, decision in decisions.items():
            merged.counts[decision.who.value] += 1
            if decision.value is not None:
                merged.tensors[name] = decision.value
            elif decision.who is Who.BOTH:
                sides = tuple(side.tensors.get(name) for side in (base, ours, theirs))
                _settle(name, sides, choose(name), merged, store, batch)
    try:
        merged.skeleton = find_layout(versions, _with_ours(merged, ours), store)
    except tensors.Unsettled as e:
        merged.layout_conflict = str(e)
    return merged


def _as_it_is(manifest: Manifest) -> Merged:
    return Merged(
        manifest.format, dict(manifest.meta), dict(manifest.tensors),
        manifest.skeleton, manifest.chunks,
    )


def _not_mergeable(versions: Versions) -> str | None:
    ours, theirs = versions.ours, versions.theirs
    formats = {side.format for side in (ours, theirs)}
    if OPAQUE in formats:
        return 'both sides changed it, and it is no model that can be read'
    if len(formats) > 1:
        return f'formats differ: ours {ours.format}, theirs {theirs.format}'
    return None


def _merge_meta(versions: Versions, merged: Merged) -> None:
    base, ours, theirs = versions.ancestor, versions.ours, versions.theirs
    for key, decision in decide_all(base.meta, ours.meta, theirs.meta).items():
        if decision.value is not None:
            merged.meta[key] = decision.value
        elif decision.who is Who.BOTH:
            merged.meta_conflicts[key] = 'both sides changed it'


def _settle(
    name: str,
    sides: tuple[Entry | None, ...],
    choice: Choice,
    merged: Merged,
    store: Store,
    batch: Batch,
) -> None:
    """Settle a tensor that both sides changed, or say why not."""
    try:
        entry = _combine(sides, choice, store, batch)
    except tensors.Unsettled as e:
        merged.conflicts[name] = str(e)
    except FormatError as e:
        merged.conflicts[name] = e.message
    except (MissingObject, CorruptObject) as e:
        merged.conflicts[name] = f'{e.message} ({e.hints[0]})'
    else:
        merged.counts[f'by {choice.method}'] += 1
        if entry is not None:
            merged.tensors[name] = entry


def _combine(
    sides: tuple[Entry | None, ...], choice: Choice, store: Store, batch: Batch,
) -> Entry | None:
    """The merged tensor; None where the side that the rule names has none."""
    if choice.method == 'conflict':
        raise tensors.Unsettled(f'both sides changed it (rule at {choice.origin})')
    if choice.method in SIDES:
        return sides[SIDES.index(choice.method)]
    return tensors.merge(_trio(sides, choice), choice, store, batch)


def _trio(sides: tuple[Entry | None, ...], choice: Choice) -> tensors.Trio:
    base, ours, theirs = sides
    if ours is None:
        raise tensors.Unsettled('deleted in ours, changed in theirs')
    if theirs is None:
        raise tensors.Unsettled('changed in ours, deleted in theirs')
    if base is None and not choice.explicit:
        raise tensors.Unsettled(
            f'added on both sides with different {_difference(ours, theirs)}',
        )
    return tensors.Trio(base, ours, theirs)


def _difference(ours: Entry, theirs: Entry) -> str:
    if ours.dtype != theirs.dtype:
        return 'dtypes'
    return 'shapes' if ours.shape != theirs.shape else 'values'


def find_layout(versions: Versions, result: Manifest, store: Store) -> Blob | None:
    """The skeleton for the result: that of a side of the same structure, or a new one.

    None is the canonical layout. Raises Unsettled where both sides changed the
    structure and the format has no writer.
    """
    base, ours, theirs = versions
    sides = [ours, theirs]
    if base is not None and base.skeleton == ours.skeleton:
        sides = [theirs, ours]      # the side that changed it comes first
    for side in (*sides, *([base] if base else [])):
        if side.structure == result.structure:
            return side.skeleton
    if canonical_writer(registry.find(result.format)) is not None:
        return None
    return _new_layout(result, store)


def _new_layout(result: Manifest, store: Store) -> Blob:
    def extent(entry: Entry) -> Iterator[memoryview]:
        with store.open(entry.oid) as file:
            yield from file.chunks()

    write = rebuilder(registry.find(result.format))
    try:
        if write is None:
            raise FormatError(f'{result.format} files cannot be written anew')
        skeleton = write(result, extent)
    except (FormatError, MissingObject, CorruptObject) as e:
        raise tensors.Unsettled(
            f'both sides changed the structure, and {e.message}',
        ) from None
    with store.batch() as batch:
        return Blob(batch.put_bytes(skeleton), len(skeleton))


def _with_ours(merged: Merged, ours: Manifest) -> Manifest:
    """What is settled, and ours where nothing is: to find a layout by."""
    result = merged.manifest
    meta, entries = dict(result.meta), dict(result.tensors)
    meta.update((k, v) for k, v in ours.meta.items() if k in merged.meta_conflicts)
    entries.update((n, e) for n, e in ours.tensors.items() if n in merged.conflicts)
    return Manifest(result.format, None, meta, entries)
