"""When an object was last wanted: its file's modification time.

What is stored again is marked, so that it cannot be pruned as something that nobody
has asked for in weeks between then and the moment at which a manifest names it.
"""
from __future__ import annotations

import os
import time
from contextlib import suppress

_FRESH = 3600       # seconds; a mark is not set again meanwhile


def touch(path: str) -> bool:
    """Mark the object as wanted now. False where there is none."""
    try:
        age = time.time() - os.stat(path).st_mtime
    except OSError:
        return False
    if age > _FRESH:
        with suppress(OSError):     # others' files, in a store that several share
            os.utime(path)
    return True
