"""Which tensors of a model go together, and who merges them."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from typing import Optional

from git_model_driver.core.model import Entry
from git_model_driver.merging import classes
from git_model_driver.merging.units import lora
from git_model_driver.merging.units import quantised
from git_model_driver.merging.units.base import Settle
from git_model_driver.merging.units.base import Side
from git_model_driver.merging.units.classes import HANDLERS
from git_model_driver.merging.units.classes import statistics


class Unit(NamedTuple):
    """Tensors that are merged together; ``settle`` None: number by number."""

    names: tuple[str, ...]
    kind: str
    settle: Optional[Settle] = None


def find(base: Side, versions: Sequence[Side]) -> list[Unit]:
    """Every tensor of every side in just one unit, in the order of the sides."""
    entries: dict[str, Entry] = {}
    for side in (*versions, base):
        for name, entry in side.items():
            entries.setdefault(name, entry)
    taken: set[str] = set()
    units: list[Unit] = []
    for names, kind, settle in _groups(entries, base, versions):
        if not taken.intersection(names):
            taken.update(names)
            units.append(Unit(names, kind, settle))
    units += [Unit((name,), classes.WEIGHT) for name in entries if name not in taken]
    return units


def _groups(
    entries: dict[str, Entry], base: Side, versions: Sequence[Side],
) -> list[tuple[tuple[str, ...], str, Settle]]:
    found: list[tuple[tuple[str, ...], str, Settle]] = [
        (pair.names, 'product', lora.settle) for pair in lora.find(entries)
    ]
    found += [(names, 'quantised', quantised.settle)
              for names in quantised.find(entries)]
    found += [(names, 'statistics', statistics) for names in _batch_norms(entries)]
    return found


def _batch_norms(entries: dict[str, Entry]) -> list[tuple[str, ...]]:
    """Running mean and variance with the count of what they were taken from."""
    found: dict[str, list[str]] = {}
    for name, entry in entries.items():
        if classes.classify(entry) in (classes.MEAN, classes.VARIANCE):
            found.setdefault(_prefix(name), []).append(name)
    for prefix, names in found.items():
        count = f'{prefix}num_batches_tracked'
        if count in entries:
            names.append(count)
    return [tuple(names) for names in found.values()]


def _prefix(name: str) -> str:
    return name[:max(name.rfind('.'), name.rfind('/')) + 1]


def handler(choice_class: str | None, entry: Entry) -> tuple[str, Settle | None]:
    """The class of a single tensor, and who merges it if not the methods do."""
    kind = choice_class or classes.classify(entry)
    return kind, HANDLERS.get(kind)
