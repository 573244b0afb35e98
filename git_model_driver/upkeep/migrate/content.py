"""The bytes of a file in some version, as a checkout of it would have them."""
from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import IO

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import GitModelError
from git_model_driver.filters.smudge import Assembly
from git_model_driver.git.objects import Objects
from git_model_driver.git.raw import Entry
from git_model_driver.store.objects import Store
from git_model_driver.store.places import Places
from git_model_driver.store.source import FileSource
from git_model_driver.upkeep.migrate.kinds import MANIFEST
from git_model_driver.upkeep.migrate.kinds import POINTER
from git_model_driver.upkeep.migrate.kinds import Kinds
from git_model_driver.upkeep.migrate.pointers import Media

_KEPT = 3       # a file, and those that it describes


class Contents:
    """Gives the bytes of blobs as open files; the last few are kept."""

    def __init__(
        self, objects: Objects, kinds: Kinds, store: Store, media: Media,
    ) -> None:
        self._objects = objects
        self._kinds = kinds
        self._store = store
        self._media = media
        self._open: OrderedDict[str, int] = OrderedDict()

    def __enter__(self) -> Contents:
        return self

    def __exit__(self, *exc: object) -> None:
        while self._open:
            self._forget()

    def _forget(self) -> None:
        os.close(self._open.popitem(last=False)[1])

    def fd(self, blob: str) -> int:
        """A descriptor, to be closed by whoever asks."""
        if blob not in self._open:
            while len(self._open) >= _KEPT:
                self._forget()
            self._open[blob] = self._found(blob)
        self._open.move_to_end(blob)
        return os.dup(self._open[blob])

    def _found(self, blob: str) -> int:
        kind = self._kinds.of(blob)
        if kind == POINTER:
            return self._media.open(self._kinds.pointers[blob])
        with self.scratch() as file:
            if kind == MANIFEST:
                data = self._objects.read(blob)[1]
                manifest = manifests.parse(data, blob)
                Assembly(manifest, self._store, blob).into(file.fileno())
            else:
                for piece in self._objects.pieces(blob):
                    file.write(piece)
                file.flush()
            return os.dup(file.fileno())

    def scratch(self) -> IO[bytes]:
        """A file without a name."""
        import tempfile  # 5 ms

        folder = self._store.root / 'tmp'
        Places(self._store.root).folder(folder)
        return tempfile.TemporaryFile(dir=folder, prefix='incoming-')


class Version(FileSource):
    """A file of a version; the files beside it are those of the same version."""

    def __init__(
        self, contents: Contents, blob: str, path: str, folder: dict[bytes, Entry],
    ) -> None:
        super().__init__(contents.fd(blob), path)
        self._contents = contents
        self._listed = folder

    def sibling(self, name: str) -> FileSource | None:
        if name in ('', '.', '..') or os.path.dirname(name):
            return None
        if name not in self.beside:
            self.beside[name] = self._sibling(os.fsencode(name))
        return self.beside[name]

    def _sibling(self, name: bytes) -> FileSource | None:
        entry = self._listed.get(name)
        if entry is None or not entry.is_file:
            return None
        try:
            return FileSource(self._contents.fd(entry.oid), os.fsdecode(name))
        except (GitModelError, OSError):    # then it could not be checked out, either
            return None

    @property
    def consulted(self) -> dict[bytes, str | None]:
        """The blobs of those that were looked for."""
        return {
            name: blob_of(self._listed, name) for name in map(os.fsencode, self.beside)
        }

    def close(self) -> None:
        self.close_siblings()
        os.close(self.fd)


def blob_of(folder: dict[bytes, Entry], name: bytes) -> str | None:
    entry = folder.get(name)
    return entry.oid if entry is not None and entry.is_file else None


def named_scratch(folder: Path) -> Path:
    """An empty file of a folder, with a name."""
    import tempfile  # 5 ms

    fd, name = tempfile.mkstemp(dir=folder, prefix='outgoing-')
    os.close(fd)
    return Path(name)
