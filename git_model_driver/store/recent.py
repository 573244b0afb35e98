"""Raw bytes that have just arrived, for who writes them to the worktree at once.

They were compared with their names and are in the store, too: whoever finds nothing
here reads them there. What they are encoded as need not be decoded again.
"""
from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from git_model_driver.core.oid import Oid

if TYPE_CHECKING:
    from mmap import mmap

ROOM = 96 << 20         # bytes
_LARGEST = 8 << 20      # of an object: a larger one is worth a file, to go on with


class Recent:
    """``room`` says how many bytes may be held: none, unless somebody says so.

    Any number of threads may use it.
    """

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self._held: dict[Oid, memoryview] = {}
        self._memory: mmap | None = None
        self._taken = 0         # bytes of the memory
        self._lock = threading.Lock()

    def reserve(self, nbytes: int) -> memoryview | None:
        """Room for an object, if there is so much, and it is not too large."""
        with self._lock:
            end = self._taken + nbytes
            if not 0 < nbytes <= _LARGEST or end > self.room:
                return None
            if self._memory is None:
                self._memory = _memory(self.room)
            if self._memory is None:
                return None
            piece = memoryview(self._memory)[self._taken:end]
            self._taken = end
            return piece

    def add(self, oid: Oid, raw: memoryview) -> None:
        """What reserved room was filled with."""
        self._held[oid] = raw

    def pop(self, oid: Oid) -> memoryview | None:
        """The raw bytes of an object, which are held no longer."""
        return self._held.pop(oid, None)

    def clear(self) -> None:
        """There is room again. Nothing overwrites what somebody still has a view of."""
        with self._lock:
            self._held = {}
            self._memory = None
            self._taken = 0


def _memory(nbytes: int) -> mmap | None:
    """What is not touched is not there; nobody else sees it, which is cheaper."""
    import mmap  # not for who holds nothing

    try:
        if hasattr(mmap, 'MAP_PRIVATE'):
            return mmap.mmap(-1, nbytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return mmap.mmap(-1, nbytes)
    except (OSError, ValueError):
        return None
