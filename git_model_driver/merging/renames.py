"""Tensors that a version gave another name: the same bytes under a new one.

Only an exact match that is the only one counts, as nothing else is certain.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core.model import Entry
from git_model_driver.merging.units.base import Side


class Followed(NamedTuple):
    """All sides under the new names, and what cannot be settled that way."""

    base: dict[str, Entry]
    versions: tuple[dict[str, Entry], ...]
    notes: tuple[str, ...]
    conflicts: Mapping[str, str]


def follow(base: Side, versions: Sequence[Side], labels: Sequence[str]) -> Followed:
    """Move what the other sides did to a renamed tensor to its new name."""
    renamed = [_renamed(base, version) for version in versions]
    new_base, moved = dict(base), [dict(version) for version in versions]
    notes: list[str] = []
    conflicts: dict[str, str] = {}
    for old in dict.fromkeys(name for mapping in renamed for name in mapping):
        targets = [mapping.get(old) for mapping in renamed]
        said = ', '.join(
            f'to {new} in {label}' for new, label in zip(targets, labels) if new
        )
        gone = [
            label for version, new, label in zip(versions, targets, labels)
            if new is None and old not in version
        ]
        distinct = dict.fromkeys(new for new in targets if new)
        if len(distinct) > 1 or gone:
            reason = f'{old} was renamed {said}'
            reason += f', deleted in {", ".join(gone)}' if gone else ''
            conflicts.update(dict.fromkeys(distinct, reason))
            continue
        new = next(iter(distinct))
        if any(new in v for v, target in zip(versions, targets) if target is None):
            continue        # the name means something else there
        new_base[new] = new_base.pop(old)._replace(name=new)
        for version, label in zip(moved, labels):
            if old in version:
                if version[old].oid != new_base[new].oid:
                    notes.append(f'{new}: the change of {label} follows its new name')
                version[new] = version.pop(old)._replace(name=new)
    return Followed(new_base, tuple(moved), tuple(notes), conflicts)


def _renamed(base: Side, version: Side) -> dict[str, str]:
    """New names by old ones."""
    gone = {name: base[name] for name in base if name not in version}
    if not gone:
        return {}
    added = {name: version[name] for name in version if name not in base}
    before = Counter(_values(entry) for entry in gone.values())
    after = Counter(_values(entry) for entry in added.values())
    place = {_values(entry): name for name, entry in added.items()}
    return {
        name: place[_values(entry)] for name, entry in gone.items()
        if before[_values(entry)] == after[_values(entry)] == 1
    }


def _values(entry: Entry) -> tuple[object, ...]:
    return entry.oid, entry.dtype, entry.shape, entry.known.extra
