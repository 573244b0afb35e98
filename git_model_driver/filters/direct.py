"""Models written into the worktree by ourselves.

Git holds all that a filter gives it in memory; here a model goes from the store to
the disk a few chunks at a time. A file that is written has no name until it is
complete; it then takes that of the manifest that stood for it, if that is still there.
"""
from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import Changed
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import StoreError
from git_model_driver.filters.filter import Filter
from git_model_driver.filters.filter import warn
from git_model_driver.filters.smudge import Assembly
from git_model_driver.git import worktree
from git_model_driver.git.pktline import Unframed
from git_model_driver.git.worktree import Indexed

_LEFT_OVER = re.compile(r'\.git-model-[0-9a-f]{16}\.tmp')
_ABANDONED_AFTER = 24 * 3600
_LARGE = 256 << 20      # reading it costs more than starting a filter


def write_later(filter_: Filter) -> None:
    """Write what git had manifests of. Whatever is wrong is told."""
    n = len(filter_.later)
    left = f'{n} models are' if n > 1 else 'a model is'
    again = 'then write what is a manifest with "git model checkout"'
    try:
        write(filter_, filter_.later)
    except GitModelError as e:
        warn(GitModelError(e.message, *e.hints, again), f'{left} still a manifest')
    except KeyboardInterrupt:
        hint = again.removeprefix('then ')
        warn(GitModelError('interrupted', hint), f'{left} perhaps still a manifest')
        raise


def write(filter_: Filter, wanted: Mapping[str, bytes]) -> list[str]:
    """Put models in the place of these manifests; the paths that were written.

    What cannot be written is told, and stays the manifest; what is no longer that
    manifest is left alone. Raises GitError where the index cannot be written.
    """
    if not wanted:
        return []
    texts = (data.decode('utf-8', 'replace') for data in wanted.values())
    filter_.store.gather({oid for text in texts for oid in manifests.oids_in(text)})
    entries = worktree.entries(wanted)
    # Until the refresh git must look at the files: their sizes are not those it knows.
    known = [e for e in entries if _is_indexed(filter_, e, wanted[e.path])]
    worktree.forget_stat(known)
    writer = _Writer(filter_, worktree.top_of(filter_.repository))
    written = {
        path: size for path, data in wanted.items()
        if (size := writer.try_to_write(path, data)) is not None
    }
    clean = [entry.path for entry in known if entry.path in written]
    worktree.refresh_unread([path for path in clean if written[path] >= _LARGE])
    worktree.refresh(clean)
    return list(written)


def _is_indexed(filter_: Filter, entry: Indexed, data: bytes) -> bool:
    if entry.stage or not entry.is_watched:
        return False
    blob = filter_.blob(entry.oid) or b''
    return blob == data or (
        manifests.is_manifest(blob) and manifests.same_meaning(
            blob.decode('utf-8', 'replace'), data.decode('utf-8', 'replace'),
        )
    )


class _Writer:
    """Writes models below ``top``."""

    def __init__(self, filter_: Filter, top: Path) -> None:
        self._filter = filter_
        self._top = top
        self._cache = filter_.stat_cache
        # Every file's mtime: no earlier than what was made of the version before, and
        # early enough for a file that is written to afterwards to have another one.
        self._began = self._cache.clock()

    def try_to_write(self, path: str, data: bytes) -> int | None:
        """The size of the file if it was written; if it cannot be, that is told."""
        try:
            status = self._write(path, data)
        except GitModelError as e:
            warn(e, f"'{path}' stays a manifest")
            return None
        except OSError as e:
            warn(
                GitModelError(
                    f"cannot write '{path}': {e.strerror}",
                    'see to the space and permissions there ("df -h .", "ls -ld ."), '
                    f'then write it with "git model checkout {words.shell(path)}"',
                ),
                'it stays a manifest',
            )
            return None
        if status is None:
            return None
        self._cache.put_written(path, status, data)
        return status.st_size

    def _write(self, path: str, data: bytes) -> os.stat_result | None:
        """The stat data of the new file, None where there is something else."""
        name = os.path.basename(path)
        with _folder_of(self._top, path) as folder:
            if folder is None:
                return None
            before = _status_of_manifest(folder, name, data)
            if before is None:
                return None
            manifest = manifests.parse(data, path)
            assembly = Assembly(manifest, self._filter.store, path)
            assembly.prepare()
            _check_space(folder, assembly.size)
            with _Temporary(folder) as file:
                _fill(assembly, file.fd)
                os.fchmod(file.fd, stat.S_IMODE(before.st_mode))
                if self._began:
                    os.utime(file.fd, ns=(self._began, self._began))
                now = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if _facts(now) != _facts(before):
                    raise Changed(
                        f"'{path}' changed while its model was being written",
                        f'write it with "git model checkout {words.shell(path)}"',
                    )
                file.name_it(name)
                return os.fstat(file.fd)


@contextmanager
def _folder_of(top: Path, path: str) -> Iterator[int | None]:
    """The open folder that a file is in, None if there is none.

    Links are not followed: they may lead out of the worktree.
    """
    fd: int | None = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in path.split('/')[:-1]:
            if fd is not None:
                outer, fd = fd, _inner_folder(fd, part)
                os.close(outer)
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _inner_folder(folder: int, name: str) -> int | None:
    if name == os.pardir:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    try:
        return os.open(
            name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder,
        )
    except FileNotFoundError:
        return None


def _status_of_manifest(
    folder: int, name: str, data: bytes,
) -> os.stat_result | None:
    """The stat data of the file if it holds just these bytes."""
    try:
        fd = os.open(
            name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder,
        )
    except OSError:
        return None
    with open(fd, 'rb') as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size != len(data):
            return None
        return status if file.read(len(data) + 1) == data else None


def _facts(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns,
    )


def _check_space(folder: int, size: int) -> None:
    system = os.fstatvfs(folder)
    if size > system.f_bavail * system.f_frsize:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _fill(assembly: Assembly, fd: int) -> None:
    try:
        assembly.write(Unframed(fd))
    except EOFError:
        raise StoreError(
            f"an object of '{assembly.path}' was cut short while it was read",
            'see what is affected with "git model fsck"',
        ) from None


class _Temporary:
    """A file in a folder that is gone after the ``with``, unless it got a name.

    Where the system can it has none before: not even ``kill -9`` leaves it behind.
    """

    def __init__(self, folder: int) -> None:
        self._folder = folder
        self._name = f'.git-model-{os.urandom(8).hex()}.tmp'
        self._is_named = False

    def __enter__(self) -> _Temporary:
        _sweep(self._folder)
        try:
            self.fd = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600, dir_fd=self._folder)
            self._path = f'/proc/self/fd/{self.fd}'
            if os.path.exists(self._path):
                return self
            os.close(self.fd)
        except (AttributeError, OSError):
            pass
        self.fd = os.open(
            self._name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._folder,
        )
        self._is_named = True
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self.fd)
        if self._is_named:
            with suppress(FileNotFoundError):
                os.unlink(self._name, dir_fd=self._folder)

    def name_it(self, name: str) -> None:
        """Take the place of the file of that name."""
        if not self._is_named:
            os.link(self._path, self._name, dst_dir_fd=self._folder)
            self._is_named = True
        os.replace(
            self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder,
        )
        self._is_named = False


def _sweep(folder: int) -> None:
    """Remove what killed processes left more than a day ago."""
    for name in filter(_LEFT_OVER.fullmatch, os.listdir(folder)):
        with suppress(OSError):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if time.time() - status.st_mtime > _ABANDONED_AFTER:
                os.unlink(name, dir_fd=folder)
