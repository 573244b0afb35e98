"""Which objects can be read, and whose fault it is where one cannot."""
from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.store.digest import check_digest
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store

DAMAGED = 'damaged'
MISSING = 'missing'


class Fault(NamedTuple):
    """An object that cannot be read, and those that cannot because of it."""

    oid: Oid
    why: str
    place: Path | None      # the root of the store that has it
    dependents: tuple[Oid, ...]

    @property
    def may_be_sound(self) -> bool:
        """A newer version's, or one that we may not read."""
        return self.why not in (DAMAGED, MISSING)


class _State(NamedTuple):
    """Why an object cannot be read; it is sound if it has no ``culprit``."""

    culprit: Oid | None = None
    why: str = ''


_SOUND = _State()


class Examination:
    """Reads each object once, and its base too only where that fails."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._states: dict[Oid, _State] = {}
        self.carrying: set[Oid] = set()     # what sound objects are based on

    def faults(self, oids: Iterable[Oid]) -> list[Fault]:
        """What keeps these from being read: the culprits only, each once."""
        for oid in oids:
            self._state(oid)
        found: dict[Oid, list[Oid]] = {}
        for oid, state in self._states.items():
            if state.culprit is not None:
                found.setdefault(state.culprit, []).append(oid)
        return [
            Fault(culprit, self._states[culprit].why, self._store.place(culprit),
                  tuple(oid for oid in oids if oid != culprit))
            for culprit, oids in found.items()
        ]

    def _state(self, oid: Oid) -> _State:
        if oid not in self._states:
            # What is based on itself, by whatever way, is damaged.
            self._states[oid] = _State(oid, DAMAGED)
            self._states[oid] = self._examined(oid)
        return self._states[oid]

    def _examined(self, oid: Oid) -> _State:
        try:
            with self._store.open_here(oid) as file:
                try:
                    check_digest(file)
                except (StoreError, OSError) as e:
                    return self._blamed(file, e)
                if file.header.base is not None:
                    self.carrying.add(file.header.base)
        except (StoreError, OSError) as e:
            return _State(oid, _why(e))
        return _SOUND

    def _blamed(self, file: ObjectFile, error: Exception) -> _State:
        """The object itself if its own bytes are wrong, or else what it is based on."""
        if file.header.base is not None:
            state = self._state(file.header.base)
            if state.culprit not in (None, file.oid):
                file.verify()
                return _State(state.culprit)
        return _State(file.oid, _why(error))


def _why(error: Exception) -> str:
    if isinstance(error, MissingObject):
        return MISSING
    if isinstance(error, CorruptObject) or (
        isinstance(error, OSError) and error.errno == errno.EIO
    ):
        return DAMAGED
    said = error.message if isinstance(error, StoreError) else (
        error.strerror if isinstance(error, OSError) else None
    )
    return f'cannot be read: {said or error}'
