"""Another model's units in the order of a reference's: the same function.

For models trained apart, whose plain average is worth nothing: hidden units of
one are brought into the order in which they resemble those of the other, and then
both can be merged as usual (Git Re-Basin, see ``match``).
"""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from git_model_driver.core.model import Entry
from git_model_driver.merging.alignment import permute
from git_model_driver.merging.alignment.match import Orders
from git_model_driver.merging.alignment.match import located
from git_model_driver.merging.alignment.match import match
from git_model_driver.merging.alignment.spec import AlignmentError
from git_model_driver.merging.alignment.spec import Shapes
from git_model_driver.merging.alignment.spec import Spec
from git_model_driver.merging.alignment.spec import units

Entries = Mapping[str, Entry]
Load = Callable[[Entry], Any]
Save = Callable[[Any, Entry], Entry]


class Alignment(NamedTuple):
    """Orders of units by group; ``units`` and ``moved`` count them, over all groups.

    ``before`` and ``after`` are cosines of the two models' values, over all tensors
    that have units.
    """

    spec: Spec
    orders: Orders
    units: int
    moved: int
    before: float
    after: float


def find(reference: Entries, other: Entries, load: Load, spec: Spec) -> Alignment:
    """The orders that bring ``other`` nearest to ``reference``.

    ``load`` gives a tensor in its own dtype and shape. Raises AlignmentError where
    the spec does not fit, and where SciPy is missing.
    """
    shapes = shapes_of(other)
    counts = units(spec, shapes)
    _check(located(spec), reference, shapes)
    found = match(
        spec, shapes, counts,
        lambda name: load(reference[name]), lambda name: load(other[name]),
    )
    moved = sum(permute.moved(order) for order in found.orders.values())
    return Alignment(
        spec, found.orders, sum(counts.values()), moved, found.before, found.after,
    )


def reorder(
    model: Entries, alignment: Alignment, load: Load, save: Save,
) -> dict[str, Entry]:
    """The model with its units in those orders; ``save`` stores a tensor."""
    orders, done = alignment.orders, dict(model)
    for name, here in located(alignment.spec).items():
        moves = any(not permute.is_identity(orders[group]) for group, _ in here)
        if moves and name in model:
            array = permute.reordered(load(model[name]), here, orders)
            done[name] = save(array, model[name])
    return done


def shapes_of(model: Entries) -> dict[str, tuple[int, ...]]:
    return {name: tuple(entry.shape) for name, entry in model.items()}


def _check(names: Mapping[str, object], reference: Entries, shapes: Shapes) -> None:
    for name in names:
        if name not in reference:
            raise AlignmentError(f"only one of the models has a tensor '{name}'")
        if tuple(reference[name].shape) != shapes[name]:
            raise AlignmentError(f"the shapes of '{name}' differ")
