"""What an object's modification time says: when it was last wanted; that it is whole.

What is stored again is marked, so that it cannot be pruned as something that nobody
has asked for in weeks between then and the moment at which a manifest names it.

Below a millisecond the time is a number of the object, its seal. Whoever writes to the
file changes the time, and breaks it: a file with its seal is as it was when it was
written and compared with its name, but for what a disk may have lost since.
"""
from __future__ import annotations

import os
import time
from contextlib import suppress

from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of

_FRESH = 3600       # seconds; a mark is not set again meanwhile
_UNIT = 1_000_000   # nanoseconds


def seal(path: str | os.PathLike[str], oid: Oid) -> None:
    """Say that it is whole, and wanted now. Not all file systems can keep that."""
    now = -(-time.time_ns() // _UNIT) * _UNIT + _seal_of(oid)
    with suppress(OSError):
        os.utime(path, ns=(now, now))


def is_sealed(status: os.stat_result, oid: Oid) -> bool:
    return status.st_mtime_ns % _UNIT == _seal_of(oid)


def _seal_of(oid: Oid) -> int:
    return int(hex_of(oid)[:16], 16) % _UNIT


def touch(path: str, oid: Oid) -> bool:
    """Mark the object as wanted now. False where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    if time.time() - status.st_mtime > _FRESH:
        if is_sealed(status, oid):
            seal(path, oid)
        else:
            with suppress(OSError):     # others' files, in a store that several share
                os.utime(path)
    return True
