"""An object that arrives in pieces, and may be cut short."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import xxhash

from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import from_digest
from git_model_driver.core.oid import hex_of
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.disk import write_all
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.places import Places
from git_model_driver.store.recent import Recent

_IN_MEMORY = CHUNK      # bytes at most: to ask for them again costs less than a file


class _Kept(Protocol):
    """Where the bytes are that came so far."""

    def read(self) -> Iterator[memoryview]:
        """All of them, a chunk at a time; each is done with before the next."""

    def write(self, offset: int, data: memoryview) -> None: ...

    def clear(self) -> None: ...

    def remove(self) -> None:
        """They are needed no longer."""


class Incoming:
    """The raw bytes of an object, as far as they came: ``done`` of the ``nbytes`` are
    there, ``sums`` are those of the chunks that are.
    """

    def __init__(
        self, kept: _Kept, oid: Oid, nbytes: int, room: memoryview | None = None,
    ) -> None:
        self.room = room    # among what is recent, where its bytes are
        self.oid = oid
        self.nbytes = nbytes
        self._kept = kept
        self._begin()
        for piece in kept.read():
            self._count(piece)
        if self.done > nbytes:
            self.restart()

    def _begin(self) -> None:
        self.done = 0
        self._digest = hashlib.sha256()
        self.sums: list[int] = []
        self._row = xxhash.xxh3_64()

    def restart(self) -> None:
        """Forget what came: it was of something else."""
        self._kept.clear()
        self._begin()

    def write(self, data: memoryview) -> None:
        """The next bytes. Raises ValueError where there are too many, StoreError."""
        if self.done + len(data) > self.nbytes:
            raise ValueError('more bytes than the object has')
        self._kept.write(self.done, data)
        self._count(data)

    def _count(self, data: memoryview) -> None:
        self._digest.update(data)
        while data:
            room = CHUNK - self.done % CHUNK
            part, data = data[:room], data[room:]
            self._row.update(part)
            self.done += len(part)
            if len(part) == room or self.done == self.nbytes:
                self.sums.append(self._row.intdigest())
                self._row = xxhash.xxh3_64()

    def is_whole(self) -> bool:
        """Whether all is there, and is what its name says."""
        return (self.done == self.nbytes
                and from_digest(self._digest.digest()) == self.oid)

    def chunks(self) -> Iterator[memoryview]:
        return self._kept.read()

    def remove(self) -> None:
        """It is stored, or lost."""
        self._kept.remove()


class _Memory:
    """So few bytes that they are not worth a file, or such as are needed at once."""

    def __init__(self, room: memoryview) -> None:
        self._data = room
        self._end = 0

    def read(self) -> Iterator[memoryview]:
        for start in range(0, self._end, CHUNK):
            yield self._data[start:min(start + CHUNK, self._end)]

    def write(self, offset: int, data: memoryview) -> None:
        self._end = offset + len(data)
        self._data[offset:self._end] = data

    def clear(self) -> None:
        self._end = 0

    def remove(self) -> None:
        self._data = memoryview(b'')


class _File:
    """A file in the store's ``tmp``: another run goes on where this one ends
    (Places.sweep removes it after a day).
    """

    def __init__(self, root: Path, path: Path, fd: int) -> None:
        self._root = root
        self._path = path
        self._fd = fd

    def read(self) -> Iterator[memoryview]:
        end = os.fstat(self._fd).st_size
        buffer = memoryview(bytearray(min(CHUNK, end)))
        offset = 0
        while offset < end and (n := os.preadv(self._fd, [buffer], offset)):
            yield buffer[:n]
            offset += n

    def write(self, offset: int, data: memoryview) -> None:
        with StoreErrors(self._root):
            os.lseek(self._fd, offset, os.SEEK_SET)
            write_all(self._fd, data)

    def clear(self) -> None:
        with StoreErrors(self._root):
            os.ftruncate(self._fd, 0)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


@contextmanager
def incoming(
    root: Path, oid: Oid, nbytes: int, recent: Recent | None = None,
) -> Iterator[Incoming]:
    """One for that object; it is no other process's meanwhile.

    In memory, if it is small or there is room among what is ``recent``, and nothing of
    it has come before.
    """
    name = f'part-{hex_of(oid)}-{nbytes}'
    has_begun = nbytes > _IN_MEMORY and (root / 'tmp' / name).exists()
    room = recent.reserve(nbytes) if recent and not has_begun else None
    if room is not None or 0 < nbytes <= _IN_MEMORY:
        data = memoryview(bytearray(nbytes)) if room is None else room
        file = Incoming(_Memory(data), oid, nbytes, room)
        try:
            yield file
        finally:
            file.remove()
        return
    with StoreErrors(root):
        path, fd = _opened(root, name)
    try:
        yield Incoming(_File(root, path, fd), oid, nbytes)
    finally:
        if not os.fstat(fd).st_size:
            path.unlink(missing_ok=True)
        os.close(fd)


def _opened(root: Path, name: str) -> tuple[Path, int]:
    path = root / 'tmp' / name
    Places(root).folder(path.parent)
    fd = _open_mine(path)
    if fd is not None:
        return path, fd
    path = path.with_name(f'{name}-{os.getpid()}-{os.urandom(4).hex()}')
    return path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)


def _open_mine(path: Path) -> int | None:
    """None where another process is at it."""
    try:
        import fcntl
    except ImportError:     # Windows
        return None
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except FileNotFoundError:       # it got its name just now
            pass
        os.close(fd)
