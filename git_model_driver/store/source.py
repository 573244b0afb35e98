"""Bytes to read from: a file that may change under our hands, or memory.

Files are read with ``pread``, never mapped: a mapped file that somebody
truncates kills the process (SIGBUS), and mapped pages count as its memory.
"""
from __future__ import annotations

import os
import stat
from typing import Protocol

from git_model_driver.core.errors import Changed

Status = tuple[int, int, int, int]


def status_of(file: int | str) -> Status | None:
    """What changes when a file does; None where there is no file."""
    try:
        status = os.stat(file, follow_symlinks=False) if isinstance(file, str) else (
            os.fstat(file)
        )
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


class Span(Protocol):
    """A run of ``length`` bytes that can be read in pieces."""

    @property
    def length(self) -> int: ...

    def readinto(self, offset: int, into: memoryview) -> None:
        """Fill ``into`` with the bytes from ``offset`` on."""


class BytesSpan:
    """Bytes in memory."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = memoryview(data).cast('B')
        self.length = len(self.data)

    def readinto(self, offset: int, into: memoryview) -> None:
        into[:] = self.data[offset:offset + len(into)]


class FileSource:
    """An open file; slices of it are ``bytes``, ``span`` gives a part lazily."""

    def __init__(self, fd: int, name: str, folder: str | None = None) -> None:
        self.fd = fd
        self.name = name
        self.folder = folder        # where files beside it are looked for
        self.beside: dict[str, FileSource | None] = {}
        self._before = self._stat()
        self.size = self._before[0]

    def _stat(self) -> tuple[int, int, int]:
        status = os.fstat(self.fd)
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, where: slice) -> bytes:
        start, stop, _ = where.indices(self.size)
        data = bytearray(max(0, stop - start))
        self.readinto(start, memoryview(data))
        return bytes(data)

    @property
    def length(self) -> int:
        return self.size

    @property
    def identity(self) -> tuple[int, ...]:
        """The same for the same bytes of the same file."""
        status = os.fstat(self.fd)
        return (status.st_dev, status.st_ino, *self._before)

    def sibling(self, name: str) -> FileSource | None:
        """The regular file of that name in the same folder, if there is one."""
        if self.folder is None or name in ('', '.', '..') or os.path.dirname(name):
            return None
        if name not in self.beside:
            self.beside[name] = _opened(os.path.join(self.folder, name))
        return self.beside[name]

    @property
    def found_beside(self) -> dict[str, Status | None]:
        """The stat data of every file that was looked for beside this one."""
        found = {}
        for name, sibling in self.beside.items():
            path = os.path.join(self.folder or '', name)
            found[path] = None if sibling is None else status_of(sibling.fd)
        return found

    def close_siblings(self) -> None:
        for sibling in self.beside.values():
            if sibling is not None:
                os.close(sibling.fd)
        self.beside.clear()

    def readinto(self, offset: int, into: memoryview) -> None:
        done = 0
        while done < len(into):
            n = os.preadv(self.fd, [into[done:]], offset + done)
            if n == 0:
                raise self.changed()
            done += n

    def span(self, offset: int, length: int) -> FileSpan:
        return FileSpan(self, offset, length)

    def check_unchanged(self) -> None:
        """Raise Changed if the file was written to since it was opened."""
        if self._stat() != self._before:
            raise self.changed()
        for sibling in self.beside.values():
            if sibling is not None:
                sibling.check_unchanged()

    def changed(self) -> Changed:
        return Changed(
            f"'{self.name}' changed while it was being read",
            'wait until it is written whole, then run the command again',
        )


def _opened(path: str) -> FileSource | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    return FileSource(fd, path)


class FileSpan:
    """A part of a FileSource."""

    def __init__(self, source: FileSource, offset: int, length: int) -> None:
        self.source = source
        self.offset = offset
        self.length = length

    def readinto(self, offset: int, into: memoryview) -> None:
        self.source.readinto(self.offset + offset, into)
