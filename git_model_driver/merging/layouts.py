"""Which container the merged tensors go into."""
from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

from git_model_driver.core import skeleton as skeletons
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import FormatError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.model import Blob
from git_model_driver.core.model import Entry
from git_model_driver.core.model import Manifest
from git_model_driver.core.skeleton import Slot
from git_model_driver.formats import registry
from git_model_driver.formats.base import adapter
from git_model_driver.formats.base import canonical_writer
from git_model_driver.formats.base import rebuilder
from git_model_driver.merging.units.base import Unsettled
from git_model_driver.store.objects import Store


def find_layout(
    base: Manifest | None, versions: Sequence[Manifest], result: Manifest, store: Store,
) -> Blob | None:
    """The skeleton for the result: that of a side of the same structure, or a new one.

    None is the canonical layout. Raises Unsettled where several sides changed the
    structure and the format has no writer.
    """
    changed = [v for v in versions if base is None or v.skeleton != base.skeleton]
    others = [v for v in versions if not any(v is c for c in changed)]
    for side in (*changed, *others, *([base] if base else [])):
        if side.structure == result.structure and _holds(side, result, store):
            return side.skeleton
    if canonical_writer(registry.find(result.format)) is not None:
        return None
    return _adapted((*changed, *others), result, store) or _new_layout(result, store)


def _adapted(
    sides: Sequence[Manifest], result: Manifest, store: Store,
) -> Blob | None:
    """A side's file with other metadata, where its tensors are those of the result."""
    adapt = adapter(registry.find(result.format))
    for side in sides:
        same = side._replace(meta=result.meta).structure == result.structure
        if adapt is None or side.skeleton is None or not (
            same and _attributes(side) == _attributes(result)
            and _holds(side, result, store)
        ):
            continue
        try:
            parsed = skeletons.parse(store.read(side.skeleton.oid))
            return _kept(adapt(parsed, result), store)
        except (FormatError, MissingObject, CorruptObject):
            continue
    return None


def _attributes(manifest: Manifest) -> dict[str, str]:
    """What is said of single tensors, in whose place no other can be put."""
    return {key: value for key, value in manifest.meta.items() if ':' in key}


def _kept(skeleton: bytes, store: Store) -> Blob:
    with store.batch() as batch:
        return Blob(batch.put_bytes(skeleton), len(skeleton))


def _holds(side: Manifest, result: Manifest, store: Store) -> bool:
    """Whether tensors that share a place in the side's file are equal in the result."""
    owners: dict[str, str] = {}
    if side.skeleton is None or len(set(_oids(side))) == len(side.tensors):
        return True
    try:
        segments = skeletons.parse(store.read(side.skeleton.oid)).segments
    except (MissingObject, CorruptObject, FormatError):
        return True         # it is seen when the file is written
    slots = {segment.name for segment in segments if isinstance(segment, Slot)}
    for name in slots & set(side.tensors):
        owners.setdefault(side.tensors[name].oid, name)
    return all(
        entry.oid == result.tensors[owners[side.tensors[name].oid]].oid
        for name, entry in result.tensors.items()
        if name not in slots and side.tensors[name].oid in owners
    )


def _oids(manifest: Manifest) -> list[str]:
    return [entry.oid for entry in manifest.tensors.values()]


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
        raise Unsettled(
            f'both sides changed the structure, and {e.message}',
        ) from None
    return _kept(skeleton, store)
