"""Bytes to read from: a file that may change under our hands, or memory.

Files are read with ``pread``, never mapped: a mapped file that somebody
truncates kills the process (SIGBUS), and mapped pages count as its memory.
"""
from __future__ import annotations

import os
from typing import Protocol

from git_model_driver.core.errors import Changed


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

    def __init__(self, fd: int, name: str) -> None:
        self.fd = fd
        self.name = name
        self._before = self._stat()
        self.size = self._before[0]

    def _stat(self) -> tuple[int, int, int]:
        stat = os.fstat(self.fd)
        return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns

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

    def changed(self) -> Changed:
        return Changed(
            f"'{self.name}' changed while it was being read",
            'wait until it is written whole, then run the command again',
        )


class FileSpan:
    """A part of a FileSource."""

    def __init__(self, source: FileSource, offset: int, length: int) -> None:
        self.source = source
        self.offset = offset
        self.length = length

    def readinto(self, offset: int, into: memoryview) -> None:
        self.source.readinto(self.offset + offset, into)
