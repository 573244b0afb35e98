"""A model file becomes a manifest, its tensors objects in the store."""
from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from bisect import bisect_right
from typing import Union

from git_model_driver.core import manifest as manifests
from git_model_driver.core import skeleton as skeletons
from git_model_driver.core import words
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Checksum
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.manifest import Blob
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.core.skeleton import Builder
from git_model_driver.core.skeleton import Crc32
from git_model_driver.core.skeleton import Slot
from git_model_driver.formats import opaque
from git_model_driver.formats import registry
from git_model_driver.formats.base import canonical_writer
from git_model_driver.store.batch import Batch
from git_model_driver.store.batch import pieces
from git_model_driver.store.objects import Store
from git_model_driver.store.source import FileSource

Place = Union[Slot, Crc32]        # what is cut out
_CRC = struct.Struct('<I')


def take_apart(source: FileSource, store: Store) -> Manifest:
    """Store a file's tensors and return its manifest.

    An empty file has no manifest: callers pass it through. Raises StoreError,
    and Changed if the file is written to meanwhile; then nothing is stored.
    """
    layout = registry.read_any(source)
    with store.batch() as batch:
        if layout is None:
            manifest = _opaque(source, batch)
        else:
            manifest = _by_layout(source, layout, batch)
        source.check_unchanged()
    return manifest


def _opaque(source: FileSource, batch: Batch) -> Manifest:
    extents = list(opaque.pieces(source))
    oids = batch.put_all([source.span(*extent) for extent in extents])
    chunks = (Blob(oid, extent.length) for oid, extent in zip(oids, extents))
    return Manifest(manifests.OPAQUE, chunks=tuple(chunks))


def _by_layout(source: FileSource, layout: Layout, batch: Batch) -> Manifest:
    extents = sorted({tensor.extent for tensor in layout.tensors})
    stored = batch.put_all([source.span(*extent) for extent in extents])
    oids = dict(zip(extents, stored))
    manifest = Manifest(
        layout.format, None, dict(layout.meta), entries(layout, oids),
    )
    skeleton = cut_out(source, layout)
    if is_canonical(manifest, skeleton):
        return manifest
    blob = Blob(batch.put_bytes(skeleton), len(skeleton))
    return Manifest(manifest.format, blob, manifest.meta, manifest.tensors)


def entries(layout: Layout, oids: dict[Extent, Oid]) -> dict[str, Entry]:
    """The manifest's entries in their order."""
    ordered = sorted(layout.tensors, key=lambda tensor: words.natural_key(tensor.name))
    return {
        t.name: Entry(t.name, t.dtype, t.shape, oids[t.extent], t.extra)
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
        if tensor.extent.length:
            names.setdefault(tensor.extent, tensor.name)
    return [(e.offset, Slot(name, e.length)) for e, name in names.items()]


def _verified(source: FileSource, layout: Layout) -> list[tuple[int, Place]]:
    sums: dict[Extent, int] = {}
    found: list[tuple[int, Place]] = []
    for kind, over, at in _separate(layout):
        if over not in sums:
            sums[over] = _crc32(source, over)
        if kind == 'crc32' and source[at:at + 4] == _CRC.pack(sums[over]):
            found.append((at, Crc32(over.offset, over.length)))
    return found


def _separate(layout: Layout) -> list[Checksum]:
    """The checksums that lie in no extent, in no other and under no other.

    A reader gives no others for a sound file; a hostile file's stay literal.
    """
    extents = layout.extents()
    places = sorted({checksum.at for checksum in layout.checksums})
    kept, end = [], 0
    for checksum in sorted(set(layout.checksums), key=lambda checksum: checksum.at):
        at, over = checksum.at, checksum.over
        i = bisect_right(extents, at + 3, key=lambda extent: extent.offset) - 1
        inside = i >= 0 and extents[i].end > at
        covered = bisect_left(places, over.offset - 3)
        covers = covered < len(places) and places[covered] < over.end
        if at >= end and not inside and not covers:
            kept.append(checksum)
            end = at + 4
    return kept


def _crc32(source: FileSource, over: Extent) -> int:
    crc = 0
    for piece in pieces(source.span(*over)):
        crc = zlib.crc32(piece, crc)
    return crc

