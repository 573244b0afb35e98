"""The bytes git gives to clean, as a file that can be read in any order.

Usually they are those of the worktree file, which is then read itself while
what git sends is thrown away. Where that cannot be proven (blame, apply,
renormalize, ``hash-object --stdin``, systems without /proc) they are kept in a
temporary file.
"""
from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from typing import NamedTuple

from git_model_driver.git import caller
from git_model_driver.store.places import Places
from git_model_driver.store.source import FileSource


class Content(NamedTuple):
    source: FileSource
    stat: os.stat_result | None     # of the worktree file, where it is that


@contextmanager
def receive(path: str, packets: Iterable[bytes], scratch: Path) -> Iterator[Content]:
    """Take in the bytes for path; every packet has been read when this yields."""
    packets = iter(packets)
    first = next(packets, b'')
    fd = worktree_file(path, first)
    if fd is not None:
        length = len(first) + sum(map(len, packets))
        try:
            source = FileSource(fd, path, _folder(path))
            if length != source.size:
                raise source.changed()
            try:
                yield Content(source, os.fstat(fd))
            finally:
                source.close_siblings()
        finally:
            os.close(fd)
        return
    with _spool(scratch) as file:
        file.write(first)
        for packet in packets:
            file.write(packet)
        file.flush()
        source = FileSource(file.fileno(), path, _folder(path))
        try:
            yield Content(source, None)
        finally:
            source.close_siblings()


def _folder(path: str) -> str:
    return os.path.dirname(os.path.abspath(path))


def _spool(scratch: Path) -> IO[bytes]:
    import tempfile  # 5 ms

    Places(scratch.parent).folder(scratch)
    return tempfile.NamedTemporaryFile(dir=scratch, prefix='incoming-')


def worktree_file(path: str, first: bytes) -> int | None:
    """An open descriptor of the worktree file if git is reading that, or None."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    status = os.fstat(fd)
    if (
        stat.S_ISREG(status.st_mode)
        and status.st_size >= len(first)
        and os.pread(fd, len(first), 0) == first
        and caller.reads_file(status)
    ):
        return fd
    os.close(fd)
    return None
