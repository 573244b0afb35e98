"""Models of a checkout that have to be fetched, so that all are fetched together."""
from __future__ import annotations

from collections.abc import Iterator

from git_model_driver.core import manifest as manifests
from git_model_driver.core.oid import Oid
from git_model_driver.store import recent
from git_model_driver.store.objects import Store


class Waiting:
    """Manifests by path, until ``fetch``."""

    def __init__(self) -> None:
        self._manifests: dict[str, bytes] = {}
        self._fetched = False

    def add(self, path: str, data: bytes, store: Store) -> bool:
        """Whether this one must wait: some of it is neither here nor near."""
        if not manifests.is_manifest(data):
            return False
        missing = store.missing(_oids_in(data))
        if missing:
            store.gather_near(missing)
        if not store.missing(missing) or not store.sources:
            return False
        self._manifests[path] = data
        return True

    def fetch(self, store: Store) -> Iterator[str]:
        """Get what is missing for all; their paths, when asked for the first time."""
        if self._manifests and not self._fetched:
            self._fetched = True
            store.recent.room = recent.ROOM
            store.gather({
                oid for data in self._manifests.values() for oid in _oids_in(data)
            })
            yield from list(self._manifests)

    def pop(self, path: str) -> bytes | None:
        """The manifest of a path that waited."""
        return self._manifests.pop(path, None)


def _oids_in(data: bytes) -> set[Oid]:
    return manifests.oids_in(data.decode('utf-8', 'replace'))
