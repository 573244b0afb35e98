"""What blobs are: manifests, pointers of Git LFS, or files as they are."""
from __future__ import annotations

from collections.abc import Iterable

from git_model_driver.core import manifest as manifests
from git_model_driver.git import objects as git_objects
from git_model_driver.git.objects import Objects
from git_model_driver.upkeep.migrate import pointers
from git_model_driver.upkeep.migrate.pointers import Pointer

# NOTHING is what clean passes through: empty files, and what textconv prints.
NOTHING, MANIFEST, POINTER, RAW = 'nothing', 'manifest', 'pointer', 'raw'
_READ_WHOLE = 1 << 20       # from here on a process for its head alone costs less
_SUMMARY = manifests.SUMMARY.encode()


class Kinds:
    """Learns what blobs are, and remembers it."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._kinds: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.pointers: dict[str, Pointer] = {}

    def learn(self, blobs: Iterable[str]) -> None:
        new = [blob for blob in dict.fromkeys(blobs) if blob not in self._kinds]
        self.sizes.update(git_objects.sizes(new))
        for blob in new:
            self._kinds[blob] = self._kind(blob)

    def of(self, blob: str) -> str:
        self.learn([blob])
        return self._kinds[blob]

    def _kind(self, blob: str) -> str:
        size = self.sizes.get(blob, 0)
        if not size:
            return NOTHING
        if size >= _READ_WHOLE:
            data = git_objects.head_of(blob, len(_SUMMARY))
        else:
            data = self._objects.read(blob)[1]
        if manifests.is_manifest(data):
            return MANIFEST
        if data.startswith(_SUMMARY):
            return NOTHING
        pointer = pointers.parsed(data) if size <= pointers.LARGEST else None
        if pointer is None:
            return RAW
        self.pointers[blob] = pointer
        return POINTER
