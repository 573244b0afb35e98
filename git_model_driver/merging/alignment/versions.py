"""The versions of a merge with their units in one order, that of ours.

What is carried over (cherry-pick, rebase) is the change from base to theirs: both
get the order that brings base to ours.
"""
from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from typing import NamedTuple
from typing import Optional

from git_model_driver.core.model import Entry
from git_model_driver.core.model import Manifest
from git_model_driver.git.operation import APPLY
from git_model_driver.merging import tensors
from git_model_driver.merging.alignment import align
from git_model_driver.merging.alignment.align import Alignment
from git_model_driver.merging.alignment.infer import Inferred
from git_model_driver.merging.alignment.infer import infer
from git_model_driver.merging.alignment.spec import AlignmentError
from git_model_driver.merging.alignment.spec import parse
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.units.base import Siblings
from git_model_driver.store.codec import form as forms
from git_model_driver.store.objects import Store


class Together(NamedTuple):
    """The sides, and a store that has the tensors made for them, until it is left."""

    base: Optional[Manifest]
    sides: tuple[Manifest, ...]
    store: Store
    notes: tuple[str, ...]


def is_wanted(rules: Rules) -> bool:
    return rules.choose('').options.get('align') == 'permutation'


@contextmanager
def together(
    base: Manifest | None, sides: Sequence[Manifest], labels: Sequence[str],
    rules: Rules, siblings: Siblings, store: Store,
) -> Iterator[Together]:
    """All sides in the order of the first. Raises AlignmentError, MissingObject, ..."""
    ours = sides[0].tensors
    inferred = _spec(ours, rules, siblings)
    (store.root / 'tmp').mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store.root / 'tmp') as folder:
        scratch = store.scratch(Path(folder))
        room = _Room(scratch, inferred)
        if base is not None and rules.operation == APPLY:
            found = room.find(ours, base.tensors)
            base = room.reordered(base, found)
            done = [room.reordered(side, found) for side in sides[1:]]
            notes = [_note('base', labels[0], found, inferred)]
        else:
            each = [room.find(ours, side.tensors) for side in sides[1:]]
            done = [room.reordered(side, one) for side, one in zip(sides[1:], each)]
            notes = [
                _note(label, labels[0], one, inferred)
                for label, one in zip(labels[1:], each)
            ]
        yield Together(base, (sides[0], *done), scratch, tuple(notes))


class _Room(NamedTuple):
    store: Store
    inferred: Inferred

    def find(self, ours: Mapping[str, Entry], other: Mapping[str, Entry]) -> Alignment:
        return align.find(ours, other, self.load, self.inferred.spec)

    def load(self, entry: Entry) -> Any:
        return tensors.whole(entry, self.store)

    def reordered(self, side: Manifest, found: Alignment) -> Manifest:
        with self.store.batch() as batch:
            def save(array: Any, like: Entry) -> Entry:
                data, entry = tensors.unmade(array, like)
                form = forms.of_dtype(entry.dtype)
                return entry._replace(oid=batch.put_bytes(data, form))

            moved = align.reorder(side.tensors, found, self.load, save)
        return side._replace(tensors=moved)


def _spec(ours: Mapping[str, Entry], rules: Rules, siblings: Siblings) -> Inferred:
    """What the file that ``align-spec`` names says, or what can be inferred."""
    name = rules.choose('').options.get('align-spec')
    if name is None:
        return infer(align.shapes_of(ours), _config(siblings))
    data = siblings.read(0, name)
    if data is None:
        raise AlignmentError(
            f"there is no '{name}' beside the model in HEAD", f'git add "{name}"',
        )
    return Inferred(parse(data, name), f"as '{name}' says")


def _config(siblings: Siblings) -> dict[str, Any]:
    try:
        found = json.loads(siblings.read(0, 'config.json') or b'{}')
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _note(label: str, ours: str, found: Alignment, inferred: Inferred) -> str:
    return (
        f'{label} aligned to {ours}: {found.moved} of {found.units} units moved, '
        f'cosine {found.before:.2f} -> {found.after:.2f} ({inferred.words})'
    )
