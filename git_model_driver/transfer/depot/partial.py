"""Files that are on their way from a depot, which the next process goes on with."""
from __future__ import annotations

import hashlib
import os
from pathlib import Path

from git_model_driver.git.progress import Progress
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.disk import write_all
from git_model_driver.transfer.depot.place import Place

_BLOCK = 4 << 20            # bytes in a question
_RESUMED_FROM = 8 << 20     # what is smaller is soon there again


class Partial:
    """A file of ``nbytes`` below ``tmp``; ``path`` is whole after ``fill``.

    Its name says what it is, and it is locked as long as this is not closed: of two
    processes that want the same, one writes to a file of its own.
    """

    def __init__(self, tmp: Path, place: Place, key: str, nbytes: int) -> None:
        self._place = place
        self._key = key
        self._nbytes = nbytes
        self._root = tmp.parent
        name = hashlib.sha256(os.fsencode(f'{place.label} {key}')).hexdigest()[:32]
        self.path = tmp / f'partial-{name}'
        fd = self._shared() if nbytes >= _RESUMED_FROM else None
        if fd is None:
            self.path = tmp / f'partial-{os.getpid()}-{os.urandom(8).hex()}'
            fd = _open(self.path, os.O_EXCL)
        self._is_shared = self.path.name == f'partial-{name}'
        self._fd = fd
        self.had = os.fstat(fd).st_size
        if self.had > nbytes:
            os.ftruncate(fd, 0)
            self.had = 0

    def _shared(self) -> int | None:
        try:
            import fcntl
        except ImportError:     # Windows: each has its own
            return None
        while True:
            fd = _open(self.path)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.stat(self.path).st_ino == os.fstat(fd).st_ino:
                    return fd
            except FileNotFoundError:
                pass        # who had it is done, and it is gone
            except OSError:
                os.close(fd)
                return None
            os.close(fd)

    def fill(self, progress: Progress) -> None:
        """Get what it lacks. Raises GitModelError: what arrived of a large one stays.
        """
        try:
            self._fill(progress)
        except BaseException:
            if not self._is_shared:
                self.drop()
            raise

    def _fill(self, progress: Progress) -> None:
        at = self.had
        progress.add(at)
        while at < self._nbytes:
            end = min(at + _BLOCK, self._nbytes)
            data = self._place.read(self._key, at, end)
            if not data:
                return      # it is shorter than was said: it will not be what it should
            self._write(at, data)
            at += len(data)
            progress.add(len(data))

    def _write(self, at: int, data: bytes) -> None:
        try:
            with StoreErrors(self._root):
                os.lseek(self._fd, at, os.SEEK_SET)
                write_all(self._fd, data)
        except BaseException:       # a disk that is full gets its space back
            self.drop()
            raise

    def close(self) -> None:
        os.close(self._fd)

    def drop(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)


def _open(path: Path, more: int = 0) -> int:
    with StoreErrors(path.parent.parent):
        return os.open(path, os.O_RDWR | os.O_CREAT | more, 0o600)
