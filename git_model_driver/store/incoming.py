"""An object that arrives in pieces, and may be cut short: what is there stays."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import xxhash

from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import from_digest
from git_model_driver.core.oid import hex_of
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.disk import write_all
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.places import Places


class Incoming:
    """A file in the store's ``tmp`` with the raw bytes that came so far: another run
    goes on where this one ends (Places.sweep removes it after a day). ``done`` of the
    ``nbytes`` are there, ``sums`` are those of the chunks that are.
    """

    def __init__(self, root: Path, path: Path, fd: int, oid: Oid, nbytes: int) -> None:
        self.oid = oid
        self.nbytes = nbytes
        self._path = path
        self._fd = fd
        self._root = root
        self._begin()
        self._read_again()

    def _begin(self) -> None:
        self.done = 0
        self._digest = hashlib.sha256()
        self.sums: list[int] = []
        self._row = xxhash.xxh3_64()

    def _read_again(self) -> None:
        end = os.fstat(self._fd).st_size
        buffer = memoryview(bytearray(CHUNK))
        offset = 0
        while offset < end and (n := os.preadv(self._fd, [buffer], offset)):
            self._count(buffer[:n])
            offset += n
        if self.done > self.nbytes:
            self.restart()

    def restart(self) -> None:
        """Forget what came: it was of something else."""
        with StoreErrors(self._root):
            os.ftruncate(self._fd, 0)
        self._begin()

    def write(self, data: memoryview) -> None:
        """The next bytes. Raises ValueError where there are too many, StoreError."""
        if self.done + len(data) > self.nbytes:
            raise ValueError('more bytes than the object has')
        with StoreErrors(self._root):
            os.lseek(self._fd, self.done, os.SEEK_SET)
            write_all(self._fd, data)
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
        for offset in range(0, self.nbytes, CHUNK):
            yield memoryview(os.pread(self._fd, CHUNK, offset))

    def remove(self) -> None:
        """It is stored."""
        self._path.unlink(missing_ok=True)


@contextmanager
def incoming(root: Path, oid: Oid, nbytes: int) -> Iterator[Incoming]:
    """One for that object; it is no other process's meanwhile."""
    places = Places(root)
    path = root / 'tmp' / f'part-{hex_of(oid)}-{nbytes}'
    with StoreErrors(root):
        places.folder(root / 'tmp')
        fd = _open_mine(path)
        if fd is None:
            path = path.with_name(f'{path.name}-{os.getpid()}-{os.urandom(4).hex()}')
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        yield Incoming(root, path, fd, oid, nbytes)
    finally:
        if not os.fstat(fd).st_size:
            path.unlink(missing_ok=True)
        os.close(fd)


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
