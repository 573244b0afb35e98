"""pkt-line, the framing of Git's long-running filter protocol.

A packet is four hexadecimal digits that give its length, themselves included,
and up to 65516 bytes; "0000" is a flush (gitprotocol-common(5)).
"""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import suppress

MAX_DATA = 65516
FLUSH = b'0000'
_LENGTH = re.compile(rb'[0-9a-fA-F]{4}')
_SET_PIPE_SIZE = 1031       # F_SETPIPE_SZ
_MOST_PIECES = 64       # IOV_MAX is 16 or more by POSIX, 1024 where writev matters
_PIPE_SIZE = 1 << 20


class ProtocolError(Exception):
    """The other side does not speak the protocol."""


def packet(data: bytes) -> bytes:
    return b'%04x' % (len(data) + 4) + data


class Reader:
    """Packets from a file descriptor."""

    def __init__(self, fd: int) -> None:
        self._file = os.fdopen(fd, 'rb', buffering=1 << 16, closefd=False)

    def packet(self) -> bytes | None:
        """The next packet's data, or None for a flush. Raises EOFError at the end."""
        head = self._file.read(4)
        if not head:
            raise EOFError
        if not _LENGTH.fullmatch(head):
            raise ProtocolError(f'{head!r} is no packet length')
        length = int(head, 16)
        if length == 0:
            return None
        data = self._file.read(length - 4) if length >= 4 else b''
        if len(data) != length - 4:
            raise ProtocolError('a packet is cut off')
        return data

    def until_flush(self) -> Iterator[bytes]:
        while (data := self.packet()) is not None:
            yield data

    def lines(self) -> list[str]:
        """Text packets up to a flush, without their newlines."""
        return [os.fsdecode(data.removesuffix(b'\n')) for data in self.until_flush()]


class Writer:
    """Packets to a file descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def lines(self, *lines: str) -> None:
        """Text packets, then a flush."""
        packets = (packet(os.fsencode(line) + b'\n') for line in lines)
        self._write(b''.join(packets) + FLUSH)

    def flush(self) -> None:
        self._write(FLUSH)

    def data(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        pieces: list[bytes | memoryview] = []
        for start in range(0, len(view), MAX_DATA):
            piece = view[start:start + MAX_DATA]
            pieces += [b'%04x' % (len(piece) + 4), piece]
        write_vector(self._fd, pieces)

    def file(self, fd: int, offset: int, length: int) -> None:
        """Part of a file, copied by the kernel where it can."""
        end = offset + length
        while offset < end:
            size = min(MAX_DATA, end - offset)
            self._write(b'%04x' % (size + 4))
            copy_range(self._fd, fd, offset, size)
            offset += size

    def _write(self, data: bytes | memoryview) -> None:
        write_all(self._fd, data)


class Unframed:
    """Takes what a Writer takes, and writes it as it is."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def data(self, data: bytes | memoryview) -> None:
        write_all(self._fd, data)

    def file(self, fd: int, offset: int, length: int) -> None:
        copy_range(self._fd, fd, offset, length)


def widen(fd: int) -> None:
    """Let a pipe hold more than the one packet that fills it (Linux)."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.fcntl(fd, _SET_PIPE_SIZE, _PIPE_SIZE)


def write_all(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def write_vector(fd: int, pieces: Sequence[bytes | memoryview]) -> None:
    """Write all of these, many in one call."""
    if not hasattr(os, 'writev'):
        for piece in pieces:
            write_all(fd, piece)
        return
    for start in range(0, len(pieces), _MOST_PIECES):
        some = list(pieces[start:start + _MOST_PIECES])
        done = os.writev(fd, some)
        for piece in some:      # the rest, where a signal came between
            left = max(0, len(piece) - max(0, done))
            done -= len(piece)
            write_all(fd, memoryview(piece)[len(piece) - left:])


def copy_range(to: int, fd: int, offset: int, length: int) -> None:
    """Copy part of the file ``fd`` to the descriptor ``to``. Raises EOFError."""
    while length:
        n = _send(to, fd, offset, length)
        if n == 0:
            raise EOFError('a file is shorter than it was')
        offset += n
        length -= n


def _send(to: int, fd: int, offset: int, length: int) -> int:
    try:
        return os.sendfile(to, fd, offset, min(length, 1 << 30))
    except (OSError, AttributeError):   # not between these, or not on this system
        data = os.pread(fd, min(length, 1 << 20), offset)
        write_all(to, data)
        return len(data)
