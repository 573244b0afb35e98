"""A permutation spec: which axes of which tensors carry the same units.

Units of a hidden layer have no order: put in another one, in every tensor that
produces, normalises or consumes them, they make the same function. A group of such
axes is moved as one. An axis of a place is ``repeat`` times (units times ``block``):
``block`` elements move together (the pixels of a channel that was flattened, the
dimensions of an attention head), in each of ``repeat`` parts (q, k and v in one).

As a file, JSON: ``{"hidden": [["fc1.weight", 0], ["fc1.bias", 0], ["fc2.weight", 1,
49]]}``; each place is [tensor, axis], [tensor, axis, block] or [tensor, axis, block,
repeat].
"""
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError


class AlignmentError(GitModelError):
    """The units of two models cannot be brought into one order."""


class Place(NamedTuple):
    """One axis of one tensor, of repeat * units * block elements."""

    tensor: str
    axis: int
    block: int = 1
    repeat: int = 1


Spec = Mapping[str, tuple[Place, ...]]
Shapes = Mapping[str, tuple[int, ...]]


def parse(data: bytes | str, path: str = '-') -> dict[str, tuple[Place, ...]]:
    """Read a spec; ``path`` is what messages call it. Raises AlignmentError."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise AlignmentError(f"'{path}' is no JSON: {e}") from None
    if not isinstance(document, dict):
        raise AlignmentError(f"'{path}' is no object of groups")
    return {name: _places(name, said, path) for name, said in document.items()}


def _places(group: str, said: Any, path: str) -> tuple[Place, ...]:
    if isinstance(said, list) and said and all(map(_is_place, said)):
        return tuple(Place(*place) for place in said)
    raise AlignmentError(
        f"'{path}': group '{group}' is no list of [tensor, axis, block, repeat]",
    )


def _is_place(said: Any) -> bool:
    if not isinstance(said, list) or not 2 <= len(said) <= 4:
        return False
    if not isinstance(said[0], str) or any(type(n) is not int for n in said[1:]):
        return False
    return said[1] >= 0 and all(n > 0 for n in said[2:])


def units(spec: Spec, shapes: Shapes) -> dict[str, int]:
    """How many units each group has. Raises AlignmentError where shapes disagree."""
    seen: set[tuple[str, int]] = set()
    found: dict[str, int] = {}
    for group, places in spec.items():
        for place in places:
            count = _units_at(place, shapes)
            if found.setdefault(group, count) != count:
                raise AlignmentError(
                    f"group '{group}' has {found[group]} units, but {count} in axis "
                    f"{place.axis} of '{place.tensor}'",
                )
            if place[:2] in seen:
                raise AlignmentError(
                    f"axis {place.axis} of '{place.tensor}' is named twice",
                )
            seen.add(place[:2])
    return found


def _units_at(place: Place, shapes: Shapes) -> int:
    shape = shapes.get(place.tensor)
    if shape is None:
        raise AlignmentError(f"there is no tensor '{place.tensor}'")
    if not 0 <= place.axis < len(shape):
        raise AlignmentError(f"'{place.tensor}' has no axis {place.axis}")
    count, rest = divmod(shape[place.axis], place.block * place.repeat)
    if rest:
        raise AlignmentError(
            f"axis {place.axis} of '{place.tensor}' has {shape[place.axis]} elements: "
            f'they do not divide into {place.repeat} x {place.block}',
        )
    return count
