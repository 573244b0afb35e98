"""A unit settled as in a merge: a store, rules, and files beside the model."""
from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy

from git_model_driver.core.model import Entry
from git_model_driver.git.operation import MERGE
from git_model_driver.merging.desk import Desk
from git_model_driver.merging.desk import Room
from git_model_driver.merging.entries import word_of
from git_model_driver.merging.keys import Rule
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.units.base import Case
from git_model_driver.merging.units.base import Settle
from tests.testing.models import Vault

Arrays = Mapping[str, Any]


class Beside:
    """JSON files of base and of the versions."""

    def __init__(self, files: Mapping[str, Sequence[Any]]) -> None:
        self.files = files

    def read(self, side: int, name: str) -> bytes | None:
        if name not in self.files or self.files[name][side + 1] is None:
            return None
        said = self.files[name][side + 1]
        return said if isinstance(said, bytes) else json.dumps(said).encode()


class Bench:
    """Settles a unit: arrays in, arrays and notes out."""

    def __init__(
        self, vault: Vault, settle: Settle, operation: str = MERGE,
        files: Mapping[str, Sequence[Any]] | None = None, **rules: str,
    ) -> None:
        self.vault = vault
        self.settle = settle
        self.beside = Beside(files or {})
        self.rules = Rules(
            [Rule('*', k.replace('_', '-'), v, 'here') for k, v in rules.items()],
            operation,
        )
        self.notes: list[str] = []

    def entries(self, arrays: Arrays) -> dict[str, Entry]:
        return {
            name: self.vault.entry(name, _word(array), array)
            for name, array in arrays.items()
        }

    def __call__(self, base: Arrays | None, *versions: Arrays) -> dict[str, Any]:
        sides = [self.entries(side) for side in versions]
        case = Case(tuple(sides[0]), self.entries(base or {}), tuple(sides))
        labels = ('ours', 'theirs', 'third')[:len(sides)]
        store = self.vault.store
        with store.batch() as batch:
            desk = Desk(
                Room(self.rules, labels, self.beside, store, batch),
                range(len(sides)),
            )
            settled = self.settle(case, desk)
        self.notes = desk.notes
        return {
            name: numpy.frombuffer(store.read(entry.oid), _dtype(entry, versions))
            .reshape(entry.shape)
            for name, entry in settled.items()
        }


def _dtype(entry: Entry, versions: Sequence[Arrays]) -> Any:
    for side in versions:
        if _word(side[entry.name]) == entry.dtype:
            return side[entry.name].dtype
    raise AssertionError(f'no version has {entry.name} as {entry.dtype}')


def _word(array: Any) -> str:
    if array.dtype.kind in 'iu':
        return f'{array.dtype.kind.upper()}{8 * array.itemsize}'
    return word_of(array)
