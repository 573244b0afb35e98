"""Packs of objects that are stored as they are, and their index, written by ourselves.

Git would try to compress, and to find differences in, what is compressed already: ten
times the cost. A pack of stored objects is sent as it lies (gitformat-pack(5)).
"""
from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from typing import Union

Buffer = Union[bytes, bytearray, memoryview]
COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
LARGEST = 1 << 31           # an offset that an index of version 1 is sure to hold
_NAMES = {COMMIT: b'commit', TREE: b'tree', BLOB: b'blob', TAG: b'tag'}
_BLOCK = 65535              # bytes in a stored block (RFC 1951, 3.2.4)
_STORED = struct.Struct('<BHH')
_ZLIB = b'\x78\x01'         # a header that promises nothing (RFC 1950)


class PackWriter:
    """A pack of ``count`` objects in ``folder``; use it as a context manager.

    It is complete, with its index, when the ``with`` ends without an error; on disk,
    too, if it is to be ``durable``. Without ``sums_all`` the sum at its end is of names
    only: git reads and sends such a pack, but for ``git fsck`` it is damaged.
    """

    def __init__(
        self, folder: Path, algorithm: str, count: int, durable: bool = False,
        sums_all: bool = True,
    ) -> None:
        self.nbytes = 0
        self._durable = durable
        self._folder = folder
        self._algorithm = algorithm
        self._count = count
        self._offsets: list[tuple[bytes, int]] = []
        self._digest = hashlib.new(algorithm)
        self._sums_all = sums_all
        folder.mkdir(parents=True, exist_ok=True)
        name = f'{os.getpid()}_{os.urandom(8).hex()}'
        self._path, self._idx = folder / f'tmp_pack_{name}', folder / f'tmp_idx_{name}'
        self._file: IO[bytes] = open(self._path, 'xb', buffering=1 << 20)
        self._put(b'PACK' + struct.pack('>II', 2, count))

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._file.close()
            self._path.unlink(missing_ok=True)
            self._idx.unlink(missing_ok=True)

    def add(self, kind: int, nbytes: int, pieces: Iterable[Buffer]) -> str:
        """An object of ``nbytes``; its name in hexadecimal."""
        offset = self.nbytes
        name = hashlib.new(self._algorithm, b'%s %d\0' % (_NAMES[kind], nbytes))
        self._put(_head(kind, nbytes) + _ZLIB)
        adler, left = 1, nbytes
        for block in _blocks(pieces):
            name.update(block)
            adler = zlib.adler32(block, adler)
            left -= len(block)
            self._put(_STORED.pack(left == 0, len(block), ~len(block) & 0xffff))
            self._put(block)
        if left:
            raise EOFError('an object is not as long as it was said to be')
        self._put(struct.pack('>I', adler))
        self._offsets.append((name.digest(), offset))
        return name.hexdigest()

    def add_bytes(self, kind: int, data: bytes) -> str:
        return self.add(kind, len(data), [data])

    def add_compressed(self, kind: int, data: bytes) -> str:
        """The same for what is not compressed already: text, trees."""
        name = object_name(self._algorithm, kind, data)
        self._offsets.append((bytes.fromhex(name), self.nbytes))
        self._put(_head(kind, len(data)) + zlib.compress(data, 1))
        return name

    def _put(self, data: Buffer) -> None:
        if self._sums_all:
            self._digest.update(data)
        self._file.write(data)
        self.nbytes += len(data)

    def _finish(self) -> None:
        if len(self._offsets) != self._count:
            raise AssertionError('the pack has another number of objects')
        if not self._sums_all:
            self._digest.update(b''.join(name for name, _ in self._offsets))
        trailer = self._digest.digest()
        self._file.write(trailer)
        self._flush(self._file)
        self._file.close()
        name = self._folder / f'pack-{trailer.hex()}'
        with open(self._idx, 'wb') as index:
            index.write(self._index(trailer))
            self._flush(index)
        # Git looks for indexes: what they are of must be there first.
        self._path.rename(name.with_suffix('.pack'))
        self._idx.rename(name.with_suffix('.idx'))
        if self._durable:
            flush_folder(self._folder)

    def _flush(self, file: IO[bytes]) -> None:
        if self._durable:
            file.flush()
            os.fsync(file.fileno())

    def _index(self, trailer: bytes) -> bytes:
        """Version 1: it needs no CRC-32 of everything."""
        listed = sorted(self._offsets)
        counts = [0] * 256
        for name, _ in listed:
            counts[name[0]] += 1
        total, fan = 0, []
        for count in counts:
            total += count
            fan.append(total)
        data = struct.pack('>256I', *fan) + b''.join(
            struct.pack('>I', offset) + name for name, offset in listed
        ) + trailer
        return data + hashlib.new(self._algorithm, data).digest()


def flush_folder(folder: Path) -> None:
    """Have names of files in it survive a loss of power."""
    if os.name != 'nt':     # Windows cannot open a folder
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def object_name(algorithm: str, kind: int, data: bytes) -> str:
    """What Git calls an object, in hexadecimal."""
    head = b'%s %d\0' % (_NAMES[kind], len(data))
    return hashlib.new(algorithm, head + data).hexdigest()


def _head(kind: int, nbytes: int) -> bytes:
    """Kind and size: four bits, then seven in each byte."""
    byte, nbytes = kind << 4 | nbytes & 15, nbytes >> 4
    head = bytearray()
    while nbytes:
        head.append(byte | 0x80)
        byte, nbytes = nbytes & 0x7f, nbytes >> 7
    head.append(byte)
    return bytes(head)


def _blocks(pieces: Iterable[Buffer]) -> Iterator[memoryview]:
    """At least one; each as long as a stored block may be, at most."""
    empty = True
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), _BLOCK):
            empty = False
            yield view[start:start + _BLOCK]
    if empty:
        yield memoryview(b'')
