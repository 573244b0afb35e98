"""Files in a directory: of a share that is mounted, of a disk that is carried."""
from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from git_model_driver.core.errors import GitModelError
from git_model_driver.store.codec.zstd import Buffer
from git_model_driver.store.disk import flush
from git_model_driver.store.disk import fsync
from git_model_driver.store.disk import give_name
from git_model_driver.store.disk import link
from git_model_driver.store.disk import write_all
from git_model_driver.store.places import mode_of_new
from git_model_driver.store.places import readable_as_new
from git_model_driver.store.places import remove_abandoned

_TMP = 'tmp'


class Folder:
    """The directory itself must be there: a share that is not mounted has none.

    ``beside`` is a directory of the file system that what is sent comes from.
    """

    has_lists = False
    at_once = 4     # it may be a network's; more wait for each other on a disk

    def __init__(self, root: Path, beside: Path | None = None) -> None:
        self._root = root
        self._beside = beside
        self._swept = False
        self._made: set[Path] = set()
        self._linked: set[str] = set()
        self._mode = mode_of_new()

    @property
    def label(self) -> str:
        return str(self._root)

    @cached_property
    def is_near(self) -> bool:
        """A share that is mounted is not: it may be anywhere."""
        try:
            here = self._beside and self._beside.stat().st_dev
            return here == self._root.stat().st_dev
        except OSError:
            return False

    def size(self, key: str) -> int | None:
        with self._errors('read'):
            try:
                return os.stat(f'{self._root}/{key}').st_size
            except FileNotFoundError:
                self.check()
                return None

    def sizes(self, folder: str) -> dict[str, int]:
        with self._errors('read'):
            try:
                entries = list(os.scandir(self._root / folder))
            except FileNotFoundError:
                self.check()
                return {}
            return {f'{folder}/{e.name}': e.stat().st_size for e in entries}

    def read(self, key: str, start: int, end: int) -> bytes:
        with self._errors('read'), open(self._root / key, 'rb', buffering=0) as file:
            return os.pread(file.fileno(), end - start, start)

    def link(self, key: str, path: Path) -> bool:
        """Somebody else's file of that name stays."""
        folder, _, name = key.rpartition('/')
        parent = f'{self._root}/{folder}'
        try:
            if parent not in self._linked:
                self.check()
                os.makedirs(parent, exist_ok=True)
                self._linked.add(parent)
            if not readable_as_new(os.stat(path), self._mode, parent):
                return False
        except OSError:
            return False
        return link(path, f'{parent}/{name}')

    def settle(self) -> None:
        if self._linked:
            with self._errors('write'):
                above = {os.path.dirname(folder) for folder in self._linked}
                flush(self._root, [self._root, *map(Path, above | self._linked)])
        self._linked.clear()

    def put(self, key: str, nbytes: int, pieces: Iterable[Buffer]) -> None:
        """Somebody else's file of that name stays."""
        final = self._root / key
        path = self._root / _TMP / f'{os.getpid()}-{os.urandom(8).hex()}'
        with self._errors('write'):
            self.check()
            for folder in {path.parent, final.parent} - self._made:
                folder.mkdir(parents=True, exist_ok=True)
                self._made.add(folder)
            self._sweep(path.parent)
        try:
            self._write(path, pieces)
            with self._errors('write'):
                give_name(path, final)
                fsync(final.parent)
        finally:
            path.unlink(missing_ok=True)

    def _write(self, path: Path, pieces: Iterable[Buffer]) -> None:
        with self._errors('write'):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        try:
            for piece in pieces:
                with self._errors('write'):
                    write_all(fd, piece)
            with self._errors('write'):
                os.fsync(fd)
        finally:
            os.close(fd)

    def _sweep(self, folder: Path) -> None:
        """Once: what killed processes left more than a day ago."""
        if not self._swept:
            self._swept = True
            for name in os.listdir(folder):
                remove_abandoned(folder / name)

    def check(self) -> None:
        if not self._root.is_dir():
            raise GitModelError(
                f"there is no directory '{self._root}'",
                f"mount it, or make it: mkdir -p '{self._root}'",
            )

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise GitModelError(
                f"cannot {what} '{self._root}': {e.strerror}",
                'see to the space and permissions there ("df -h", "ls -ld"), then run '
                'the command again: what is there already is not sent again',
            ) from e
