"""The checksums that files carry. All are 32 bits, written little-endian.

``crc32`` is that of ZIP (ISO 3309); ``crc32c`` Castagnoli's, rotated by 15 bits and
moved by a constant as LevelDB and TensorFlow write it; ``strings`` is the same of a
TensorFlow string tensor: over the lengths as u32, their own checksum, and the text.
"""
from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Union

from git_model_driver.core.errors import FormatError

Buffer = Union[bytes, memoryview]
KINDS = frozenset({'crc32', 'crc32c', 'strings'})
LENGTH = 4
_MASK = 0xa282ead8
_LONGEST_STRINGS = 1 << 28


def of(kind: str, pieces: Iterable[Buffer]) -> int:
    """The checksum of the pieces, joined. Raises FormatError."""
    if kind == 'crc32':
        crc = 0
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
        return crc
    if kind == 'strings':
        pieces = _strings(pieces)
    elif kind != 'crc32c':
        raise FormatError(f"checksums of the kind '{kind}' are not known here")
    return _crc32c(pieces)


def _crc32c(pieces: Iterable[Buffer]) -> int:
    import crc32c

    crc = 0
    for piece in pieces:
        crc = crc32c.crc32c(piece, crc)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xffffffff


def _strings(pieces: Iterable[Buffer]) -> Iterator[bytes]:
    """What the checksum of a string tensor is over (tensor_bundle.cc)."""
    data = b''
    for piece in pieces:
        data += piece
        if len(data) > _LONGEST_STRINGS:
            raise FormatError('a string tensor of more than 256 MiB')
    lengths: list[int] = []
    at = total = 0
    while at + LENGTH + total < len(data) or (not lengths and len(data) > LENGTH):
        length, at = _varint(data, at)
        lengths.append(length)
        total += length
    if at + LENGTH + total != len(data) or max(lengths, default=0) >> 32:
        raise FormatError('a malformed string tensor')
    yield struct.pack(f'<{len(lengths)}I', *lengths)
    yield data[at:]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise FormatError('a malformed string tensor')
