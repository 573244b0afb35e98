"""A small pack as a whole, with the differences that are in it (gitformat-pack(5))."""
from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.git.packs import object_name
from git_model_driver.git.packstream import Difference
from git_model_driver.git.packstream import PackStream

LARGEST = 64 << 20      # bytes of an object
_LONGEST_SIZE = 63      # bits


class Whole(NamedTuple):
    kind: int
    data: bytes


def whole(pack: PackStream, algorithm: str) -> Iterator[Whole]:
    """Its objects, each after what it is a difference from.

    Raises ValueError; Difference where that is not in the pack, or it is not small.
    """
    named: dict[str, Whole] = {}
    waiting: dict[str, list[bytes]] = {}
    left = 2 * LARGEST      # differences count, and what they make
    for kind, nbytes, pieces, base in pack.objects(hashlib.new(algorithm).digest_size):
        left -= nbytes
        if left < 0 or nbytes > LARGEST:
            raise Difference('a pack that is not small')
        data = b''.join(pieces)
        if base is not None and base.hex() not in named:
            waiting.setdefault(base.hex(), []).append(data)
            continue
        first = Whole(kind, data)
        found = [first if base is None else _patched(named[base.hex()], data)]
        while found:
            object_ = found.pop()
            left -= len(object_.data)
            name = object_name(algorithm, *object_)
            named[name] = object_
            yield object_
            found += [_patched(object_, delta) for delta in waiting.pop(name, ())]
    if waiting:
        raise Difference('what an object is a difference from is not there')


def _patched(base: Whole, delta: bytes) -> Whole:
    return Whole(base.kind, patched(base.data, delta))


def patched(base: bytes, delta: bytes) -> bytes:
    """What a difference makes of its base. Raises ValueError."""
    try:
        return _Delta(delta).applied(base)
    except IndexError:
        raise ValueError('a difference is cut short') from None


class _Delta:
    """Read from its beginning to its end. Raises IndexError where it is cut short."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def applied(self, base: bytes) -> bytes:
        if self._size() != len(base):
            raise ValueError('a difference from another object')
        nbytes, made = self._size(), bytearray()
        if nbytes > LARGEST:
            raise ValueError('a difference makes too much')
        while self._at < len(self._data):
            op = self._byte()
            made += self._copied(op, base) if op & 0x80 else self._new(op)
            if len(made) > nbytes:
                break
        if len(made) != nbytes:
            raise ValueError('a difference makes another size than it says')
        return bytes(made)

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _size(self) -> int:
        size = shift = 0
        while True:
            byte = self._byte()
            size |= (byte & 0x7f) << shift
            shift += 7
            if not byte & 0x80:
                return size
            if shift > _LONGEST_SIZE:
                raise ValueError('a size has no end')

    def _copied(self, op: int, base: bytes) -> bytes:
        offset = sum(self._byte() << 8 * i for i in range(4) if op >> i & 1)
        length = sum(self._byte() << 8 * i for i in range(3) if op >> 4 + i & 1)
        part = base[offset:offset + (length or 0x10000)]
        if len(part) != (length or 0x10000):
            raise ValueError('a difference copies what is not there')
        return part

    def _new(self, length: int) -> bytes:
        part = self._data[self._at:self._at + length]
        self._at += length
        if not length or len(part) != length:
            raise ValueError('a difference is cut short')
        return part
