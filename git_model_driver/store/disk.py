"""Files on disk: written to the end, durable, named; and what the disk says against it.
"""
from __future__ import annotations

import errno
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from git_model_driver.core.errors import StoreError

if TYPE_CHECKING:
    from git_model_driver.store.codec.zstd import Buffer

# From so many on, one flush of the file system costs less than one of each (a model
# may have 100,000 tensors).
_FLUSH_ALL_FROM = 32


class StoreErrors:
    """Turns the operating system's refusals into StoreError."""

    def __init__(self, root: Path, left: str = 'nothing was changed') -> None:
        self.root = root
        self._left = left

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, OSError):
            raise StoreError(
                f"cannot write to the store '{self.root}': {error.strerror}",
                'see to the space and permissions there ("df -h", "ls -ld"), then '
                f'run the command again: {self._left}',
            ) from error


def give_name(path: Path, final: Path) -> None:
    """Give a file its name. One that is there already stays: others may be based on
    it, and it on others, in ways that this one knows nothing of.
    """
    try:
        os.link(path, final)
    except FileExistsError:
        pass
    except OSError as e:
        if e.errno == errno.EXDEV:
            raise StoreError(
                f"'{final.parent}' is on another file system than '{path.parent}'",
                f"move all of '{path.parents[1]}' there, and link to that",
            ) from e
        if not final.exists():      # no links here
            os.replace(path, final)
    path.unlink(missing_ok=True)


def link(path: str | Path, final: str) -> bool:
    """Whether there is a file of that name now; somebody else's stays. False: not on
    this file system, or what else a copy will tell.
    """
    try:
        os.link(path, final)
    except FileExistsError:
        return True
    except OSError:
        return False
    return True


def link_or_copy(path: Path, target: Path, mode: int) -> None:
    try:
        os.link(path, target)
    except OSError:     # another file system, or one without links
        import shutil  # 6 ms

        shutil.copyfile(path, target)
        target.chmod(mode)


def write_all(fd: int, data: Buffer) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def fsync(path: Path) -> None:
    if os.name == 'nt' and path.is_dir():
        return      # Windows cannot open a directory
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def flush(root: Path, paths: Collection[Path]) -> None:
    """Make files and folders below the root durable."""
    if len(paths) < _FLUSH_ALL_FROM or not _syncfs(root):
        for path in paths:
            fsync(path)


def _syncfs(path: Path) -> bool:
    """Flush the whole file system below path; False where that cannot be had."""
    if not sys.platform.startswith('linux'):
        return False
    import ctypes  # 10 ms that few batches need

    fd = os.open(path, os.O_RDONLY)
    try:
        return bool(ctypes.CDLL(None).syncfs(fd) == 0)
    except (OSError, AttributeError):
        return False
    finally:
        os.close(fd)
