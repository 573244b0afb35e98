"""Keras' .keras archives: config.json, metadata.json and model.weights.h5 in a ZIP.

Extents are the variables, and every other member whole. Of what Keras writes anew
at each save nothing is a line: the date, and the ids of shared objects, which are
addresses in the memory of the process.
"""
from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Checksum
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.skeleton import Blank
from git_model_driver.core.skeleton import Skeleton
from git_model_driver.core.skeleton import Slot
from git_model_driver.core.skeleton import cut
from git_model_driver.formats import zipdir
from git_model_driver.formats import zipwrite
from git_model_driver.formats.base import Extents
from git_model_driver.formats.base import Source
from git_model_driver.formats.hdf5 import write
from git_model_driver.formats.hdf5.file import File
from git_model_driver.formats.hdf5.format import Walk
from git_model_driver.formats.keras import names
from git_model_driver.formats.keras import paths
from git_model_driver.formats.slice import SliceSource
from git_model_driver.formats.zipdir import Member

NAME = 'keras'
CONFIG, METADATA, WEIGHTS = 'config.json', 'metadata.json', 'model.weights.h5'
_LONGEST_JSON = 1 << 26
_NAME = 'vars@name'         # of a group, which the names of its variables say
_OF_ONE_SAVE = frozenset({'date_saved', 'shared_object_id'})


def sniff(head: bytes, size: int) -> bool:
    return head.startswith(zipdir.MAGIC)


def read(source: Source) -> Layout:
    members = {member.name: member for member in zipdir.members(source)}
    if CONFIG not in members or WEIGHTS not in members:
        raise FormatError('no Keras model')
    documents = {
        name: _document(source, members[name])
        for name in (CONFIG, METADATA) if name in members
    }
    meta = {name: said(document) for name, document in documents.items()}
    tensors = []
    for name, member in members.items():
        if name == WEIGHTS and member.method == zipdir.STORED:
            variables, attributes = _weights(source, member, documents[CONFIG])
            tensors += variables
            meta.update(
                (f'{WEIGHTS}:{key}', text) for key, text in attributes.items()
                if not key.endswith(_NAME)
            )
        elif name not in documents and member.size:
            tensors.append(_whole(member))
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise FormatError('two tensors of one name')
    return Layout(NAME, len(source), tuple(tensors), meta, checksums(members.values()))


def checksums(members: Any) -> tuple[Checksum, ...]:
    """Where the CRC-32 of each stored member stands."""
    return tuple(
        Checksum('crc32', Extent(member.offset, member.length), at)
        for member in members if member.method == zipdir.STORED
        for at in member.crc_at
    )


def adapt(skeleton: Skeleton, manifest: Manifest) -> bytes:
    """The same archive with the manifest's config.json. Raises FormatError."""
    blank = Blank(skeleton)
    archive = zipwrite.Writer()
    for member in zipdir.members(blank):
        if member.method != zipdir.STORED:
            raise FormatError('a compressed archive cannot be written anew')
        parts: list[zipwrite.Part] = list(
            cut(skeleton, member.offset, member.offset + member.length),
        )
        if member.name == CONFIG:
            parts = [manifest.meta[CONFIG].encode()]
        _add(archive, member.name, parts)
    return archive.finish()


def rebuild(manifest: Manifest, extent: Extents) -> bytes:
    """A new archive with these variables and config. Raises FormatError."""
    config = json.loads(manifest.meta[CONFIG])
    if any(key.startswith(f'{WEIGHTS}:') for key in manifest.meta):
        raise FormatError('its weights have attributes whose place is not known')
    tensors = manifest.tensors
    files = {n: e for n, e in tensors.items() if e.dtype == 'BYTES'}
    shapes = {n: e.shape for n, e in tensors.items() if n not in files}
    found = paths.find(shapes, config)
    variables = {found[name]: tensors[name] for name in shapes}
    attributes = paths.attributes(shapes, config)
    archive = zipwrite.Writer()
    _add(archive, METADATA, [manifest.meta.get(METADATA, '{}').encode()])
    _add(archive, CONFIG, [manifest.meta[CONFIG].encode()])
    _add(archive, WEIGHTS, write.parts(variables, attributes, Walk))
    for name, entry in files.items():
        if entry.extra:
            raise FormatError('a compressed member cannot be written anew')
        _add(archive, name, [Slot(name, entry.nbytes)])
    return archive.finish()


def _add(
    archive: zipwrite.Writer, name: str, parts: Sequence[zipwrite.Part],
) -> None:
    size = sum(p.length if isinstance(p, Slot) else len(p) for p in parts)
    archive.add(zipwrite.Member(name, zipdir.STORED, parts, size, None))


def _document(source: Source, member: Member) -> Any:
    if member.method != zipdir.STORED or member.size > _LONGEST_JSON:
        raise FormatError(f"'{member.name}' is compressed or too long")
    return json.loads(bytes(source[member.offset:member.offset + member.length]))


def said(document: Any) -> str:
    """A document without what differs between two saves of one model."""
    return json.dumps(
        _kept(document), ensure_ascii=False, separators=(',', ':'), sort_keys=True,
    )


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _kept(v) for k, v in value.items() if k not in _OF_ONE_SAVE}
    return [_kept(item) for item in value] if isinstance(value, list) else value


def _weights(
    source: Source, member: Member, config: Any,
) -> tuple[list[Tensor], dict[str, str]]:
    inner = File(SliceSource(source, Extent(member.offset, member.length)))
    tensors, meta = Walk(inner).everything()
    moved = [
        tensor._replace(
            extent=Extent(tensor.extent.offset + member.offset, tensor.extent.length),
        ) for tensor in tensors
    ]
    return names.renamed(moved, meta, config), meta


def _whole(member: Member) -> Tensor:
    extra: tuple[tuple[str, str], ...] = ()
    if member.method == zipdir.DEFLATED:
        extra = (('bytes', str(member.length)), ('encoding', 'deflate'))
    elif member.method != zipdir.STORED:
        raise FormatError(f"'{member.name}' is compressed by another method")
    extent = Extent(member.offset, member.length)
    return Tensor(member.name, 'BYTES', (member.size,), extent, extra)
