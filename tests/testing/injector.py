"""Faults in a real git-model process: killed, or the disk full, at the N-th call.

Imported by the program that takes the place of git-model (tests.testing.faults)
before anything of the package is. Every call of Python that changes a file is
counted, over all processes of a command, in a log of records of one length.
"""
from __future__ import annotations

import builtins
import errno
import io
import os
import signal
import stat
import sys
from collections.abc import Callable
from typing import Any
from typing import NoReturn

RECORD = 16
# Where a full disk can be met. A process may be killed at any.
FILLING = frozenset({
    'open', 'write', 'pwrite', 'sendfile', 'rename', 'link', 'mkdir', 'fsync',
    'syncfs', 'truncate', 'sqlite',
})
_CALLS = {
    'rename': ('rename', 'replace'), 'link': ('link', 'symlink'),
    'unlink': ('unlink', 'remove'), 'rmdir': ('rmdir',), 'mkdir': ('mkdir',),
    'chmod': ('chmod', 'fchmod'), 'utime': ('utime',), 'fsync': ('fsync', 'fdatasync'),
    'truncate': ('truncate', 'ftruncate'),
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

_real_write = os.write
_log = -1
_at = 0
_kind = ''


def install() -> None:
    """Wrap what the calls are made with; GIT_MODEL_FAULT is "kind at log"."""
    global _log, _at, _kind
    _kind, at, log = os.environ['GIT_MODEL_FAULT'].split(' ', 2)
    _at, _log = int(at), os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    os.set_inheritable(_log, False)
    for name, functions in _CALLS.items():
        for function in functions:
            _wrap(function, _plain(name, getattr(os, function)))
    _wrap('open', _opening(os.open))
    for function in ('write', 'pwrite'):
        _wrap(function, _writing(function, getattr(os, function)))
    _wrap('sendfile', _sending(os.sendfile))
    io.open = builtins.open = _file_opened  # type: ignore[assignment]
    _wrap_libraries()


def _wrap(function: str, wrapped: Callable[..., Any]) -> None:
    setattr(os, function, wrapped)
    pathlib = sys.modules.get('pathlib')        # Python 3.10 keeps them there, too
    accessor = getattr(pathlib, '_NormalAccessor', None)
    if hasattr(accessor, function):
        setattr(accessor, function, staticmethod(wrapped))


def _due(name: str) -> bool:
    """Count a call; whether it is to fail. It does not return in a killed process."""
    _real_write(_log, name.encode().ljust(RECORD))
    number = os.lseek(_log, 0, os.SEEK_CUR) // RECORD
    if _kind in ('kill', 'killall') and number == _at:
        return True
    if _kind == 'full':
        return number >= _at and name in FILLING
    return _kind == 'once' and number == _at and name in FILLING


def _fail() -> NoReturn:
    if _kind == 'kill':
        os.kill(os.getpid(), signal.SIGKILL)
    if _kind == 'killall':
        os.killpg(0, signal.SIGKILL)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _plain(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        if _due(name):
            _fail()
        return real(*args, **options)
    return call


def _opening(real: Callable[..., int]) -> Callable[..., int]:
    def call(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if flags & _WRITING and path != os.devnull and _due('open'):
            _fail()
        return real(path, flags, *args, **options)
    return call


def _writing(name: str, real: Callable[..., int]) -> Callable[..., int]:
    def call(fd: int, data: Any, *args: Any) -> int:
        if _due(name if _is_file(fd) else 'pipe'):
            return _torn(lambda part: real(fd, part, *args), data)
        return real(fd, data, *args)
    return call


def _is_file(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)


def _torn(write: Callable[[Any], int], data: Any) -> int:
    """A write of which a half arrives before the process dies or the disk is full."""
    data = memoryview(data).cast('B')
    number = os.lseek(_log, 0, os.SEEK_CUR) // RECORD
    if number == _at and len(data) > 1 and _kind != 'once':
        written = write(data[:len(data) // 2])
        if _kind == 'full':
            return written
    _fail()


def _sending(real: Callable[..., int]) -> Callable[..., int]:
    def call(out: int, *args: Any, **options: Any) -> int:
        if _due('sendfile' if _is_file(out) else 'pipe'):
            _fail()
        return real(out, *args, **options)
    return call


class _File(io.FileIO):
    def write(self, data: Any) -> int:
        if _due('write' if _is_file(self.fileno()) else 'pipe'):
            return _torn(super().write, data)
        return super().write(data)


def _file_opened(
    file: Any, mode: str = 'r', buffering: int = -1, encoding: Any = None,
    errors: Any = None, newline: Any = None, closefd: bool = True, opener: Any = None,
) -> Any:
    if not set(mode) & set('wax+'):
        return _real_open(
            file, mode, buffering, encoding, errors, newline, closefd, opener,
        )
    if not isinstance(file, int) and opener is None and _due('open'):
        _fail()
    plain = mode.replace('b', '').replace('t', '')
    raw = _File(file, plain, closefd, opener)
    if buffering == 0:
        return raw
    buffer: Any = (io.BufferedRandom if '+' in mode else io.BufferedWriter)(raw)
    if 'b' in mode:
        return buffer
    return io.TextIOWrapper(buffer, encoding, errors, newline)


_real_open = io.open


def _wrap_libraries() -> None:
    """What C code does for us: syncfs, and SQLite's statements."""
    import ctypes
    import sqlite3

    class Library(ctypes.CDLL):
        def __getattr__(self, name: str) -> Any:
            found = super().__getattr__(name)
            if name != 'syncfs':
                return found

            def call(fd: int) -> int:
                if _due('syncfs'):
                    if _kind in ('full', 'once'):
                        return -1
                    _fail()
                return int(found(fd))
            return call

    class Connection(sqlite3.Connection):
        def execute(self, *args: Any) -> sqlite3.Cursor:
            self._count()
            return super().execute(*args)

        def executemany(self, *args: Any) -> sqlite3.Cursor:
            self._count()
            return super().executemany(*args)

        @staticmethod
        def _count() -> None:
            if _due('sqlite'):
                if _kind in ('full', 'once'):
                    raise sqlite3.OperationalError('database or disk is full')
                _fail()

    ctypes.CDLL = Library  # type: ignore[misc]
    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **options: connect(  # type: ignore[assignment]
        *args, **{'factory': Connection, **options},
    )
