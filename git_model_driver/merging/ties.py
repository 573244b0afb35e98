"""Tensors that share their weights: equal in base, and meant to stay so."""
from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from git_model_driver.core.model import Manifest
from git_model_driver.formats import registry
from git_model_driver.formats.base import canonical_writer
from git_model_driver.merging.units.base import Side
from git_model_driver.merging.units.registry import Unit

_ENOUGH = 2     # axes: equal biases of zeros are no ties


class Shared:
    """Tensors that see one storage in every version: they are merged once.

    Of a format whose file follows from its lines each tensor has bytes of its own.
    """

    def __init__(self, form: str) -> None:
        self._possible = canonical_writer(registry.find(form)) is None
        self._first: dict[object, str] = {}
        self._followers: dict[str, list[str]] = {}

    def is_first(self, unit: Unit, base: Side, versions: Sequence[Side]) -> bool:
        """Whether this one is to be merged, not one that it follows."""
        name = unit.names[0]
        present = [side.get(name) for side in (base, *versions)]
        if not self._possible or len(unit.names) > 1 or not all(present[1:]):
            return True
        key = tuple(entry and (entry.oid, entry.dtype) for entry in present)
        first = self._first.setdefault(key, name)
        if first == name:
            return True
        self._followers.setdefault(first, []).append(name)
        return False

    def followers(self, unit: Unit) -> Sequence[str]:
        return self._followers.get(unit.names[0], ())


def torn(base: Side, versions: Sequence[Side], labels: Sequence[str]) -> dict[str, str]:
    """Reason by name, for what one side keeps tied and another pulled apart.

    Both must have changed it: a tie that only one side gave up is given up.
    """
    found: dict[str, str] = {}
    for names in _tied(base):
        tied, apart = [], []
        for version, label in zip(versions, labels):
            entries = [version.get(name) for name in names]
            if any(entry is None for entry in entries):
                continue
            oids = {entry.oid for entry in entries if entry}
            if len(oids) > 1:
                apart.append(label)
            elif oids != {base[names[0]].oid}:
                tied.append(label)
        if tied and apart:
            reason = (
                f'tied to {{}} and changed in {", ".join(tied)}, '
                f'untied and changed in {", ".join(apart)}'
            )
            for name in names:
                others = ', '.join(other for other in names if other != name)
                found[name] = reason.format(others)
    return found


def _tied(side: Side) -> list[list[str]]:
    groups: dict[object, list[str]] = {}
    for name, entry in side.items():
        if len(entry.shape) >= _ENOUGH:
            groups.setdefault((entry.oid, entry.dtype, entry.shape), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def torn_aliases(
    base: Manifest, versions: Sequence[Manifest], labels: Sequence[str],
) -> dict[str, str]:
    """The same where the file says in its metadata which name stands for which.

    safetensors' ``save_model`` leaves a shared tensor out and notes its alias.
    """
    found: dict[str, str] = {}
    for alias, name in _aliases(base).items():
        tied = [
            label for version, label in zip(versions, labels)
            if version.meta.get(alias) == name
            and _oid(version, name) != _oid(base, name)
        ]
        apart = [
            label for version, label in zip(versions, labels)
            if alias in version.tensors and _oid(version, alias) != _oid(base, name)
        ]
        if tied and apart:
            found[alias] = (
                f'tied to {name} and changed in {", ".join(tied)}, '
                f'untied and changed in {", ".join(apart)}'
            )
    return found


def _aliases(manifest: Manifest) -> Mapping[str, str]:
    return {
        key: value for key, value in manifest.meta.items()
        if value in manifest.tensors and key not in manifest.tensors
    }


def _oid(manifest: Manifest, name: str) -> str | None:
    entry = manifest.tensors.get(name)
    return entry.oid if entry else None
