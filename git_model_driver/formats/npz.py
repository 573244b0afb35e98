"""NumPy .npz files: ZIP archives of .npy files (numpy.savez).

A stored member's data is an extent and its CRC-32 a checksum that follows from
it. A compressed member (numpy.savez_compressed) is an extent as it lies there:
deflating again would depend on the zlib at hand. What is no plain array in the
archive is a tensor of dtype BYTES under the member's full name.
"""
from __future__ import annotations

import zlib
from collections.abc import Iterable

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import words
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Checksum
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.skeleton import Slot
from git_model_driver.formats import deflate
from git_model_driver.formats import npy
from git_model_driver.formats import zipdir
from git_model_driver.formats import zipwrite
from git_model_driver.formats.base import Extents
from git_model_driver.formats.base import Source

NAME = 'npz'
SUFFIX = '.npy'
_LONGEST_HEAD = npy.MAX_HEADER + 12


def sniff(head: bytes, size: int) -> bool:
    return head.startswith((zipdir.MAGIC, b'PK\5\6'))


def read(source: Source) -> Layout:
    members = zipdir.members(source)
    if not any(member.name.endswith(SUFFIX) for member in members):
        raise FormatError('no .npy file in the archive')
    tensors = tuple(_tensor(source, member) for member in members)
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise FormatError('two members would be tensors of one name')
    checksums = tuple(
        Checksum('crc32', Extent(member.offset, member.length), at)
        for member in members if member.method == zipdir.STORED
        for at in member.crc_at
    )
    return Layout(NAME, len(source), tensors, {}, checksums)


def rebuild(manifest: Manifest, extent: Extents) -> bytes:
    """The skeleton of a new archive for these lines, in the manifest's order.

    What is compressed stays as it is, what is not is stored. Raises FormatError
    where NumPy cannot hold a tensor.
    """
    archive = zipwrite.Writer()
    files = set()
    for name in sorted(manifest.tensors, key=words.natural_key):
        member = _member(manifest.tensors[name], extent)
        if member.file in files:
            raise FormatError(f"two tensors would be '{member.file}' in the archive")
        files.add(member.file)
        archive.add(member)
    return archive.finish()


def _member(entry: Entry, extent: Extents) -> zipwrite.Member:
    file = entry.name if entry.dtype == 'BYTES' else entry.name + SUFFIX
    length = entry.nbytes
    slot = (Slot(entry.name, length),) if length else ()
    if dict(entry.extra).get('encoding') == 'deflate':
        size, crc = _inflated(extent(entry))
        return zipwrite.Member(file, zipdir.DEFLATED, slot, size, crc)
    head = b'' if entry.dtype == 'BYTES' else npy.header_bytes(entry)
    size = len(head) + length
    return zipwrite.Member(file, zipdir.STORED, (head, *slot), size, None)


def _inflated(chunks: Iterable[bytes | memoryview]) -> tuple[int, int]:
    """Length and CRC-32 of a DEFLATE stream's content."""
    size, crc = 0, 0
    for piece in deflate.inflated(chunks):
        size, crc = size + len(piece), zlib.crc32(piece, crc)
    return size, crc


def _tensor(source: Source, member: zipdir.Member) -> Tensor:
    whole = Extent(member.offset, member.length)
    if member.method not in (zipdir.STORED, zipdir.DEFLATED):
        raise FormatError(f'compression method {member.method} of a member')
    encoded: tuple[tuple[str, str], ...] = ()
    if member.method == zipdir.DEFLATED:
        encoded = (('bytes', str(member.length)), ('encoding', 'deflate'))
    header = _header(source, member)
    if header is None:
        return Tensor(member.name, 'BYTES', (member.size,), whole, encoded)
    name = member.name[:-len(SUFFIX)]
    if member.method == zipdir.STORED:
        whole = Extent(whole.offset + header.length, whole.length - header.length)
    extra = tuple(sorted(encoded + header.extra))
    return Tensor(name, header.dtype, header.shape, whole, extra)


def _header(source: Source, member: zipdir.Member) -> npy.Header | None:
    """The member's .npy header, or None where it is no plain array."""
    if not member.name.endswith(SUFFIX):
        return None
    stop = member.offset + min(member.length, _LONGEST_HEAD)
    head = bytes(source[member.offset:stop])
    try:
        if member.method == zipdir.DEFLATED:
            head = zlib.decompressobj(-15).decompress(head, _LONGEST_HEAD)
        header = npy.parse_header(head)
        nbytes = dtypes.byte_length(header.dtype, header.shape)
    except (FormatError, ValueError, SyntaxError, TypeError, AttributeError,
            RecursionError, MemoryError, zlib.error):
        return None
    return header if header.length + nbytes == member.size else None
