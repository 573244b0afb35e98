"""Files of a history become manifests, as ``git add`` makes them."""
from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from functools import partial

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.manifest import Manifest
from git_model_driver.filters.clean import take_apart
from git_model_driver.filters.parent import Parent
from git_model_driver.formats import registry
from git_model_driver.git.newobjects import Sink
from git_model_driver.git.packs import BLOB
from git_model_driver.store.objects import Store
from git_model_driver.upkeep.migrate.content import Contents
from git_model_driver.upkeep.migrate.content import Version
from git_model_driver.upkeep.migrate.content import blob_of
from git_model_driver.upkeep.migrate.kinds import MANIFEST
from git_model_driver.upkeep.migrate.kinds import NOTHING
from git_model_driver.upkeep.migrate.kinds import POINTER
from git_model_driver.upkeep.migrate.kinds import Kinds
from git_model_driver.upkeep.migrate.pointers import Media
from git_model_driver.upkeep.migrate.trees import File

_MOST_PARENTS = 256
_SHOWN = 10
_Consulted = dict[bytes, 'str | None']


class Importer:
    """Converts each version of a file once.

    What the files beside it say may count: then it is the same version only if those
    are the same.
    """

    def __init__(
        self, contents: Contents, kinds: Kinds, store: Store, sink: Sink,
    ) -> None:
        self._contents = contents
        self._kinds = kinds
        self._store = store
        self._sink = sink
        self._known: dict[tuple[str, bytes], list[tuple[_Consulted, str]]] = {}
        self._latest: OrderedDict[bytes, str] = OrderedDict()
        self.versions = 0
        self.nbytes = 0

    def convert(self, file: File) -> str:
        kind = self._kinds.of(file.oid)
        if kind in (NOTHING, MANIFEST):
            return file.oid
        if kind == POINTER and not self._kinds.pointers[file.oid].size:
            return self._sink.add(BLOB, b'')
        name = file.path.rpartition(b'/')[2]
        depends = registry.depends_on_name(os.fsdecode(name))
        known = self._known.setdefault((file.oid, name if depends else b''), [])
        for consulted, blob in known:
            if all(blob_of(file.folder, n) == oid for n, oid in consulted.items()):
                return blob
        consulted, blob = self._converted(file)
        known.append((consulted, blob))
        return blob

    def _converted(self, file: File) -> tuple[_Consulted, str]:
        path = os.fsdecode(file.path)
        source = Version(self._contents, file.oid, path, file.folder)
        try:
            parent = Parent(partial(self._parent, file.path))
            text = manifests.serialize(take_apart(source, self._store, parent))
            self.versions += 1
            self.nbytes += source.size
            self._remember(file.path, text)
            return source.consulted, self._sink.add(BLOB, text.encode())
        finally:
            source.close()

    def _parent(self, path: bytes) -> Manifest | None:
        text = self._latest.get(path)
        return manifests.parse(text) if text else None

    def _remember(self, path: bytes, text: str) -> None:
        self._latest[path] = text
        self._latest.move_to_end(path)
        if len(self._latest) > _MOST_PARENTS:
            self._latest.popitem(last=False)


def refuse_missing(paths: dict[str, bytes], kinds: Kinds, media: Media) -> None:
    """Raise GitModelError where Git LFS lacks what is to be imported.

    ``paths`` has a path for each blob.
    """
    named = {
        kinds.pointers[blob]: path for blob, path in paths.items()
        if kinds.of(blob) == POINTER
    }
    missing = media.missing(named)
    if missing:
        n = len(missing)
        raise GitModelError(
            f'{n} object{"s" * (n != 1)} of Git LFS '
            f'{"are" if n != 1 else "is"} not here; nothing was changed',
            *_shown(f'{p.oid} ({words.printable(os.fsdecode(named[p]))})'
                    for p in missing),
            'get what is missing with "git lfs fetch --all", then run this again',
        )


def _shown(lines: Iterable[str]) -> list[str]:
    listed = list(lines)
    more = len(listed) - _SHOWN
    return listed[:_SHOWN] + ([f'and {more} more'] if more > 0 else [])
