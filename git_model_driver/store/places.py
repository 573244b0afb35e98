"""Folders and files of a store, with the permissions that git gives its own."""
from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of

_ABANDONED_AFTER = 24 * 3600


def object_path(root: Path, oid: Oid) -> Path:
    """The file of an object in the store at root."""
    digits = hex_of(oid)
    return root.joinpath('objects', digits[:2], digits[2:])


def readable_as_new(status: os.stat_result, mode: int, folder: str) -> bool:
    """Whether those who could read a new file of that mode in a folder can read a file
    that is linked there: that keeps its owner, group and mode.
    """
    if status.st_mode & mode != mode:
        return False
    if mode & stat.S_IROTH:
        return True
    there = os.stat(folder)
    group = there.st_gid if there.st_mode & stat.S_ISGID else os.getegid()
    return (status.st_uid, status.st_gid) == (os.geteuid(), group)


def mode_of_new() -> int:
    """Of an object's file, as the umask has it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return 0o444 & ~umask


class Places:
    """Makes folders below ``root``, which lies in a repository's git directory.

    Where git's own ``objects`` may be written by a group (core.sharedRepository),
    so may ours. Otherwise the umask holds.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file_mode = mode_of_new()
        self._folder_mode: int | None = None
        try:
            mode = stat.S_IMODE((root.parent / 'objects').stat().st_mode)
        except OSError:
            return
        if mode & (stat.S_ISGID | stat.S_IWGRP):
            self._folder_mode = mode
            self.file_mode |= mode & 0o044

    def folder(self, path: str | Path) -> None:
        """Make a folder and those above it, down from the root."""
        try:
            os.mkdir(path)      # without pathlib: a push makes up to 256 of them
        except FileExistsError:
            if not os.path.isdir(path):
                raise
            return
        except FileNotFoundError:
            if not (parent := os.path.dirname(path)):
                raise
            self.folder(parent)
            self.folder(path)
            return
        if self._folder_mode is not None:
            os.chmod(path, self._folder_mode)

    def sweep(self) -> None:
        """Remove what killed processes left in ``tmp`` more than a day ago."""
        try:
            names = os.listdir(self.root / 'tmp')
        except OSError:
            return
        for name in names:
            remove_abandoned(self.root / 'tmp' / name)


def remove_abandoned(path: Path) -> None:
    """Remove a temporary file or folder unless it may still be in use."""
    try:
        status = path.lstat()
        # A link to another store's object is as old as that, but linked just now.
        if time.time() - max(status.st_mtime, status.st_ctime) <= _ABANDONED_AFTER:
            return
        if stat.S_ISDIR(status.st_mode):
            import shutil  # 6 ms

            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    except OSError:
        return
