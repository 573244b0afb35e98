"""Objects that this process has just read and compared with their names.

On its way from a remote through the store into the worktree an object need be neither
read, nor compared, nor decoded a second time, as long as there is room for it.
"""
from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from git_model_driver.core.oid import Oid

if TYPE_CHECKING:
    from mmap import mmap

ROOM = 96 << 20     # bytes, for who writes what is fetched to the worktree at once


class Recent:
    """``room`` says how many raw bytes may be held: none, unless somebody says so.

    Any number of threads may use it.
    """

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self._compared: set[Oid] = set()
        self._held: dict[Oid, memoryview] = {}
        self._memory: mmap | None = None
        self._taken = 0         # bytes of the memory
        self._reserved = 0      # pieces of it
        self._lock = threading.Lock()

    def reserve(self, nbytes: int) -> memoryview | None:
        """Room for the raw bytes of an object, if there is so much: to be filled, and
        added or released.
        """
        with self._lock:
            end = self._taken + nbytes
            if end > self.room:
                return None
            self._memory = self._memory or _memory(self.room)
            piece = memoryview(self._memory)[self._taken:end]
            self._taken = end
            self._reserved += 1
            return piece

    def release(self) -> None:
        """One piece is needed no longer; after the last one there is room again."""
        with self._lock:
            self._reserved -= 1
            if not self._reserved:
                # Not used again: somebody may be about to write it to a file.
                self._memory = None
                self._taken = 0

    def add(self, oid: Oid, raw: memoryview | None = None) -> None:
        """It was compared; its raw bytes, if room was reserved for them."""
        if raw is not None and self._held.setdefault(oid, raw) is not raw:
            self.release()
        self._compared.add(oid)

    def __contains__(self, oid: Oid) -> bool:
        """Whether it was compared."""
        return oid in self._compared

    def nbytes(self, oid: Oid) -> int | None:
        """Raw bytes of an object, if they are held."""
        raw = self._held.get(oid)
        return None if raw is None else len(raw)

    def pop(self, oid: Oid) -> memoryview | None:
        """The raw bytes, which are held no longer."""
        raw = self._held.pop(oid, None)
        if raw is not None:
            self.release()
        return raw


def _memory(nbytes: int) -> mmap:
    """What is not touched is not there; nobody else sees it, which is cheaper."""
    import mmap  # not for who holds nothing

    if hasattr(mmap, 'MAP_PRIVATE'):
        return mmap.mmap(-1, nbytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, nbytes)
