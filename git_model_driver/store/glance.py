"""What the beginning of an object says, if it is sealed (store.freshness): then nothing
else of it needs to be read.
"""
from __future__ import annotations

import os
from typing import NamedTuple

from git_model_driver.core.oid import Oid
from git_model_driver.store import freshness
from git_model_driver.store import objectheader


class Glance(NamedTuple):
    """``base`` is what it is based on."""

    status: os.stat_result
    base: Oid | None


def glance(path: str | os.PathLike[str], oid: Oid) -> Glance | None:
    """None where it is not sealed, or is not to be had."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        if not freshness.is_sealed(status, oid):
            return None
        head = os.pread(fd, objectheader.TABLE_AT, 0)
        return Glance(status, objectheader.parse(head, status.st_size).base)
    except (OSError, ValueError, objectheader.Newer):
        return None
    finally:
        os.close(fd)


def is_same(path: str | os.PathLike[str], status: os.stat_result) -> bool:
    """Whether it is the file that had that status, however its times have changed."""
    try:
        now = os.stat(path)
    except OSError:
        return False
    return (now.st_dev, now.st_ino) == (status.st_dev, status.st_ino)
