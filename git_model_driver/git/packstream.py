"""A pack as it comes over a connection, object by object (gitformat-pack(5))."""
from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.git.packs import BLOB
from git_model_driver.git.packs import COMMIT

_HEAD = struct.Struct('>4sII')
_TAG, _REF_DELTA = 4, 7
_VERSIONS = (2, 3)
_LONGEST_SIZE = 10      # bytes


class Difference(ValueError):
    """An object is stored as a difference from another."""


class Object(NamedTuple):
    """``pieces`` must be read before the next object is; where it has a ``base``, they
    are those of a difference from the object of that name.
    """

    kind: int
    nbytes: int
    pieces: Iterator[bytes]
    base: bytes | None = None


class PackStream:
    """Objects as they come. Raises ValueError, Difference, EOFError.

    The names of objects, and the sum of the whole, are not computed.
    """

    def __init__(self, data: Iterable[memoryview]) -> None:
        self._data = iter(data)
        self._buffer = memoryview(b'')

    def objects(self, name_length: int) -> Iterator[Object]:
        """All of them, those that are differences from a named object, too; names have
        so many bytes.
        """
        magic, version, count = _HEAD.unpack(self._take(_HEAD.size))
        if magic != b'PACK' or version not in _VERSIONS:
            raise ValueError('this is no pack')
        for _ in range(count):
            kind, nbytes = self._head()
            base = self._take(name_length) if kind == _REF_DELTA else None
            if kind not in (*range(COMMIT, _TAG + 1), _REF_DELTA):
                raise Difference('an object is stored as a difference')
            yield Object(kind, nbytes, self._inflated(nbytes), base)

    def blobs(self) -> Iterator[Object]:
        """Blobs only, where all objects are stored whole."""
        for object_ in self.objects(0):
            if object_.base is not None:
                raise Difference('an object is stored as a difference')
            if object_.kind == BLOB:
                yield object_
            else:
                for _ in object_.pieces:
                    pass

    def _head(self) -> tuple[int, int]:
        byte = self._take(1)[0]
        kind, nbytes, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80:
            if shift > 7 * _LONGEST_SIZE:
                raise ValueError('a size has no end')
            byte = self._take(1)[0]
            nbytes |= (byte & 0x7f) << shift
            shift += 7
        return kind, nbytes

    def _inflated(self, nbytes: int) -> Iterator[bytes]:
        inflater = zlib.decompressobj()
        left = nbytes
        try:
            while not inflater.eof:
                if not self._buffer:
                    self._fill()
                # Never more than was announced: it may be made of next to nothing.
                piece = inflater.decompress(self._buffer, left + 1)
                rest = inflater.unused_data or inflater.unconsumed_tail
                self._buffer = self._buffer[len(self._buffer) - len(rest):]
                left -= len(piece)
                if left < 0:
                    break
                if piece:
                    yield piece
        except zlib.error as e:
            raise ValueError(str(e)) from None
        if left:
            raise ValueError('an object is not as long as it was said to be')

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        data, self._buffer = bytes(self._buffer[:count]), self._buffer[count:]
        return data

    def _fill(self) -> None:
        piece = next(self._data, None)
        if piece is None:
            raise EOFError('the pack is cut off')
        self._buffer = (
            memoryview(bytes(self._buffer) + piece) if self._buffer else piece
        )
