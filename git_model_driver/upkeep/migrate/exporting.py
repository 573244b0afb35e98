"""Manifests of a history become the files again, in Git itself or in Git LFS."""
from __future__ import annotations

import os
from pathlib import Path

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.manifest import Manifest
from git_model_driver.filters.smudge import Assembly
from git_model_driver.git.newobjects import Sink
from git_model_driver.git.objects import BlobWriter
from git_model_driver.git.objects import Objects
from git_model_driver.git.packs import BLOB
from git_model_driver.store.objects import Store
from git_model_driver.upkeep.migrate.content import named_scratch
from git_model_driver.upkeep.migrate.kinds import MANIFEST
from git_model_driver.upkeep.migrate.kinds import Kinds
from git_model_driver.upkeep.migrate.pointers import Media
from git_model_driver.upkeep.migrate.trees import File

_SMALL = 1 << 20


class Exporter:
    """Converts each manifest once. Those that are damaged stay, and are counted.

    With ``media`` what is in Git are pointers of Git LFS.
    """

    def __init__(
        self, objects: Objects, kinds: Kinds, store: Store, sink: Sink,
        blobs: BlobWriter, folder: Path, media: Media | None,
    ) -> None:
        self._objects = objects
        self._kinds = kinds
        self._store = store
        self._sink = sink
        self._blobs = blobs
        self._folder = folder       # for temporary files
        self._media = media
        self._known: dict[str, str] = {}
        self.versions = 0
        self.nbytes = 0

    def convert(self, file: File) -> str:
        if self._kinds.of(file.oid) != MANIFEST:
            return file.oid
        if file.oid not in self._known:
            self._known[file.oid] = self._converted(file)
        return self._known[file.oid]

    def _converted(self, file: File) -> str:
        path = os.fsdecode(file.path)
        manifest = readable(self._objects.read(file.oid)[1])
        if manifest is None:
            return file.oid
        scratch = named_scratch(self._folder)
        try:
            assembly = Assembly(manifest, self._store, words.printable(path))
            with open(scratch, 'wb', buffering=0) as out:
                assembly.into(out.fileno())
            self.versions += 1
            self.nbytes += assembly.size
            return self._stored(scratch, assembly.size)
        finally:
            scratch.unlink(missing_ok=True)

    def _stored(self, scratch: Path, size: int) -> str:
        if self._media is not None:
            return self._sink.add(BLOB, self._media.keep(scratch).text)
        if size < _SMALL:
            return self._sink.add(BLOB, scratch.read_bytes())
        return self._blobs.write(scratch.name)


def readable(data: bytes) -> Manifest | None:
    """None for a damaged manifest, or one with conflicts."""
    try:
        return manifests.parse(data)
    except ManifestError:
        return None


def refuse_missing(
    paths: dict[str, bytes], objects: Objects, kinds: Kinds, store: Store,
) -> int:
    """Raise MissingObject where tensors cannot be had; how many stay manifests.

    ``paths`` has a path for each blob.
    """
    lacking, damaged = [], 0
    for blob, path in paths.items():
        if kinds.of(blob) != MANIFEST:
            continue
        manifest = readable(objects.read(blob)[1])
        if manifest is None:
            damaged += 1
            continue
        store.gather(manifest.oids)
        if store.missing(manifest.oids):
            lacking.append(path)
    if lacking:
        n = len(lacking)
        shown = ', '.join(words.printable(os.fsdecode(p)) for p in lacking[:3])
        raise MissingObject(
            f'{n} version{"s" * (n != 1)} of {shown}{", ..." * (n > 3)} lack tensors '
            'that are not in the store; nothing was changed', *store.gone(),
            'get them with "git model fetch", then run this again',
        )
    return damaged
