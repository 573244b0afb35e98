"""Units of a tensor put into another order.

An order is a list: the i-th unit of the result is the order[i]-th of the tensor.
"""
from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from git_model_driver.merging.alignment.spec import Place

Located = Sequence[tuple[str, Place]]       # a tensor's places, with their groups


def reordered(array: Any, located: Located, orders: Mapping[str, Any]) -> Any:
    """The array with each of its places in the order of its group."""
    for group, place in located:
        if not is_identity(orders[group]):
            array = array.take(elements(orders[group], place), axis=place.axis)
    return array


def elements(order: Any, place: Place) -> Any:
    """The order of an axis's elements, from that of its units."""
    import numpy

    size = place.repeat * len(order) * place.block
    index = numpy.arange(size).reshape(place.repeat, len(order), place.block)
    return index[:, order].reshape(-1)


def is_identity(order: Any) -> bool:
    return moved(order) == 0


def moved(order: Any) -> int:
    """How many units are in another place."""
    import numpy

    return int((order != numpy.arange(len(order))).sum())


def rows(array: Any, place: Place) -> Any:
    """A matrix with a row for each unit: all that belongs to it, in a fixed order."""
    import numpy

    front = numpy.moveaxis(array, place.axis, 0)
    count = front.shape[0] // (place.repeat * place.block)
    parts = front.reshape(place.repeat, count, -1)
    return numpy.moveaxis(parts, 0, 1).reshape(count, -1)
