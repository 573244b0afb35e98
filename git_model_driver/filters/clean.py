"""A model file becomes a manifest, its tensors objects in the store."""
from __future__ import annotations

import struct
from bisect import bisect_left
from bisect import bisect_right
from functools import partial
from typing import Union

from git_model_driver.core import manifest as manifests
from git_model_driver.core import skeleton as skeletons
from git_model_driver.core import sums
from git_model_driver.core import words
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Checksum
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor
from git_model_driver.core.manifest import Blob
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.core.skeleton import Builder
from git_model_driver.core.skeleton import RangeSum
from git_model_driver.core.skeleton import Slot
from git_model_driver.core.skeleton import SumOf
from git_model_driver.filters.parent import Parent
from git_model_driver.formats import opaque
from git_model_driver.formats import registry
from git_model_driver.formats.base import canonical_writer
from git_model_driver.store.batch import Batch
from git_model_driver.store.batch import Item
from git_model_driver.store.codec import form as forms
from git_model_driver.store.codec.update import matrix_of
from git_model_driver.store.objects import Store
from git_model_driver.store.objectwriter import pieces
from git_model_driver.store.source import FileSource
from git_model_driver.store.source import FileSpan

Place = Union[Slot, RangeSum, SumOf]        # what is cut out
_SUM = struct.Struct('<I')


def take_apart(
    source: FileSource, store: Store, parent: Parent | None = None,
) -> Manifest:
    """Store a file's tensors and return its manifest.

    What is new is stored in terms of what the parent has of the same name.

    An empty file has no manifest: callers pass it through. Raises StoreError,
    and Changed if the file is written to meanwhile; then nothing is stored.
    """
    layout = layout_of(source)
    with store.batch() as batch:
        if layout is None:
            manifest = _opaque(source, batch)
        else:
            manifest = _by_layout(source, layout, batch, store, parent or Parent())
        source.check_unchanged()
    return manifest


def layout_of(source: FileSource) -> Layout | None:
    """What a file is made of; None where it is opaque."""
    layout = registry.read_any(source)
    return layout if layout is not None and _is_proven(source, layout) else None


def _is_proven(source: FileSource, layout: Layout) -> bool:
    """Whether what one file says of another is true."""
    if not layout.proofs:
        return True
    tensors = {tensor.name: tensor for tensor in layout.tensors}
    try:
        return all(
            sums.of(proof.kind, pieces(span(source, tensors[proof.tensor])))
            == proof.value for proof in layout.proofs
        )
    except FormatError:
        return False


def span(source: FileSource, tensor: Tensor) -> FileSpan:
    """Where a tensor lies. Raises Changed where its file is gone."""
    return _file_of(source, tensor).span(*tensor.extent)


def _file_of(source: FileSource, tensor: Tensor) -> FileSource:
    """The file that a tensor lies in. Raises Changed where it is gone."""
    found = source.sibling(tensor.file) if tensor.file else source
    if found is None:
        raise source.changed()
    return found


def _opaque(source: FileSource, batch: Batch) -> Manifest:
    extents = list(opaque.pieces(source))
    oids = batch.put_all([Item(source.span(*extent), None) for extent in extents])
    chunks = (Blob(oid, extent.length) for oid, extent in zip(oids, extents))
    return Manifest(manifests.OPAQUE, chunks=tuple(chunks))


def _by_layout(
    source: FileSource, layout: Layout, batch: Batch, store: Store, parent: Parent,
) -> Manifest:
    oids = _stored(source, layout, batch, store, parent)
    manifest = Manifest(
        layout.format, None, dict(layout.meta), entries(layout, oids),
    )
    skeleton = cut_out(source, layout)
    if is_canonical(manifest, skeleton):
        return manifest
    oid = batch.put_bytes(skeleton, base=parent.skeleton())
    blob = Blob(oid, len(skeleton))
    return Manifest(manifest.format, blob, manifest.meta, manifest.tensors)


# What this process has stored: the two files of a checkpoint have the same tensors.
# The proven checksum is a part of the key: a file's times alone do not tell a change.
_Key = tuple[tuple[int, ...], Extent, int]
_known: dict[_Key, Oid] = {}
_MOST_KNOWN = 1 << 17


def _stored(
    source: FileSource, layout: Layout, batch: Batch, store: Store, parent: Parent,
) -> dict[tuple[str, Extent], Oid]:
    """The oids of all extents, by the file and the place in it."""
    sums_of = {proof.tensor: proof.value for proof in layout.proofs}
    found: dict[tuple[str, Extent], Oid] = {}
    places: list[tuple[str, Extent]] = []
    items: list[Item] = []
    keys: dict[tuple[str, Extent], _Key] = {}
    for tensor in sorted(layout.tensors, key=lambda t: (t.file, t.extent, t.name)):
        place, file = (tensor.file, tensor.extent), _file_of(source, tensor)
        if place in found or (places and places[-1] == place):
            continue
        if tensor.name in sums_of:
            key = keys[place] = file.identity, tensor.extent, sums_of[tensor.name]
            if key in _known and store.wants(_known[key]):
                found[place] = _known[key]
                continue
        places.append(place)
        items.append(Item(
            file.span(*tensor.extent), forms.of_dtype(tensor.dtype),
            partial(parent.base_of, tensor),
            matrix_of(tensor.dtype, tensor.shape, tensor.extra),
        ))
    found.update(zip(places, batch.put_all(items)))
    if len(_known) > _MOST_KNOWN:
        _known.clear()
    _known.update((key, found[place]) for place, key in keys.items())
    return found


def entries(
    layout: Layout, oids: dict[tuple[str, Extent], Oid],
) -> dict[str, Entry]:
    """The manifest's entries in their order."""
    ordered = sorted(layout.tensors, key=lambda tensor: words.natural_key(tensor.name))
    return {
        t.name: Entry(t.name, t.dtype, t.shape, oids[t.file, t.extent], t.extra)
        for t in ordered
    }


def is_canonical(manifest: Manifest, skeleton: bytes) -> bool:
    """Whether the canonical writer makes this skeleton of the manifest's lines."""
    write = canonical_writer(registry.find(manifest.format))
    if write is None:
        return False
    try:
        segments, literals = write(manifest)
    except FormatError:
        return False
    return skeletons.serialize(segments, bytes(literals)) == skeleton


def cut_out(source: FileSource, layout: Layout) -> bytes:
    """The skeleton of a file.

    A checksum that is right becomes a place where one is computed; a wrong one
    stays the bytes it is.
    """
    places = _slots(layout) + _verified(source, layout)
    builder = Builder()
    for offset, segment in sorted(places):
        builder.add(source[builder.size:offset])
        builder.add(segment)
    builder.add(source[builder.size:layout.size])
    return builder.serialize()


def _slots(layout: Layout) -> list[tuple[int, Place]]:
    names: dict[Extent, str] = {}
    for tensor in sorted(layout.tensors, key=lambda t: words.natural_key(t.name)):
        if tensor.extent.length and not tensor.file:
            names.setdefault(tensor.extent, tensor.name)
    return [(e.offset, Slot(name, e.length)) for e, name in names.items()]


def _verified(source: FileSource, layout: Layout) -> list[tuple[int, Place]]:
    known: dict[tuple[str, Extent], int] = {}
    found: list[tuple[int, Place]] = []
    for kind, over, at, of in _separate(layout):
        if of:          # it is proven
            found.append((at, SumOf(kind, of)))
            continue
        if (kind, over) not in known:
            known[kind, over] = sums.of(kind, pieces(source.span(*over)))
        if source[at:at + sums.LENGTH] == _SUM.pack(known[kind, over]):
            found.append((at, RangeSum(kind, *over)))
    return found


def _separate(layout: Layout) -> list[Checksum]:
    """The checksums that lie in no extent, in no other and under no other.

    Those of tensors in other files may lie under another.

    A reader gives no others for a sound file; a hostile file's stay literal.
    """
    extents = layout.extents()
    places = sorted({sum_.at for sum_ in layout.checksums if not sum_.of})
    kept, end = [], 0
    for checksum in sorted(set(layout.checksums), key=lambda checksum: checksum.at):
        at, over = checksum.at, checksum.over
        i = bisect_right(extents, at + 3, key=lambda extent: extent.offset) - 1
        inside = i >= 0 and extents[i].end > at
        covered = bisect_left(places, over.offset - 3)
        covers = covered < len(places) and places[covered] < over.end
        if at >= end and not inside and (checksum.of or not covers):
            kept.append(checksum)
            end = at + 4
    return kept



