"""Layers one behind the other: what is between two of them are their units.

Nothing in a file says how its layers are connected. Taken for granted is that they
form a chain without skips, that layers of one stack (``features.0``, ``features.3``)
follow by number, and that a norm follows the layer it is numbered like. Whatever
does not fit that, or fits it in more than one way, is refused.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence
from itertools import groupby
from itertools import permutations
from typing import NamedTuple

from git_model_driver.merging.alignment import layers
from git_model_driver.merging.alignment.layers import Layer
from git_model_driver.merging.alignment.spec import AlignmentError
from git_model_driver.merging.alignment.spec import Place
from git_model_driver.merging.alignment.spec import Shapes

_BRANCHED = re.compile(
    r'attn|attention|lstm|gru|rnn|recurrent|downsample|shortcut|skip|resid|concat|'
    r'gate|expert|group_?norm|(?:^|[./_])gn[0-9]*(?=[./_]|$)', re.I,
)
_MOST_STACKS = 6
Groups = dict[str, tuple[Place, ...]]


class _Way(NamedTuple):
    """Axes of a kernel: torch has (out, in, ...), Keras (..., in, out)."""

    out_first: bool

    def axes(self, ndim: int) -> tuple[int, int]:
        return (0, 1) if self.out_first else (ndim - 1, ndim - 2)


_OUT_FIRST, _OUT_LAST = _Way(True), _Way(False)


def infer(shapes: Shapes) -> tuple[Groups, str]:
    """The groups of a chain, and the chain in words. Raises AlignmentError."""
    branched = next(filter(_BRANCHED.search, shapes), None)
    if branched is not None:
        raise AlignmentError(f"'{branched}' is of no plain chain of layers")
    found, unknown = layers.find(shapes)
    if unknown:
        raise AlignmentError(f"'{unknown[0]}' is of no layer that is known")
    kernels = [layer for layer in found if layer.kernel]
    if len(kernels) < 2:
        raise AlignmentError('there are no two layers with units between them')
    groups, order = _the_only(kernels, shapes)
    for norm in found:
        if not norm.kernel:
            _attach(norm, found, order, groups, shapes)
    last = groups.pop(order[-1].name)       # what comes out of it has an order
    distinct = {
        id(places): (name, tuple(places)) for name, places in groups.items()
        if places is not last
    }
    return dict(distinct.values()), ' -> '.join(layer.name for layer in order)


def _the_only(
    kernels: Sequence[Layer], shapes: Shapes,
) -> tuple[dict[str, list[Place]], list[Layer]]:
    """Groups and order, in the one way that there is to read the chain."""
    stacks = [
        list(same) for _, same in groupby(
            sorted(kernels, key=lambda k: (k.stack, layers.natural(k))),
            key=lambda k: k.stack,
        )
    ]
    if len(stacks) > _MOST_STACKS:
        raise AlignmentError(f'its layers have {len(stacks)} kinds of names')
    orders = [[k for stack in order for k in stack] for order in permutations(stacks)]
    for ways in _ways(kernels, shapes):
        fits = [
            (groups, order) for way in ways for order in orders
            if (groups := _connected(order, way, shapes)) is not None
        ]
        if len(fits) > 1:
            raise AlignmentError('its layers form a chain in more than one way')
        if fits:
            return fits[0]
    raise AlignmentError('its layers form no chain')


def _ways(kernels: Sequence[Layer], shapes: Shapes) -> Iterator[tuple[_Way, ...]]:
    """Ways to read kernels, the likeliest first; those of one item are alike."""
    words = {re.split('[./_]', str(k.kernel).removesuffix(':0'))[-1] for k in kernels}
    flat = all(len(shapes[str(k.kernel)]) == 2 for k in kernels)
    if words <= {'weight'}:
        yield (_OUT_FIRST,)
        yield (_OUT_LAST,) if flat else ()
    elif words <= {'kernel'}:
        yield (_OUT_LAST,)
        yield (_OUT_FIRST,) if flat else ()
    else:
        yield _OUT_FIRST, _OUT_LAST


def _connected(
    order: Sequence[Layer], way: _Way, shapes: Shapes,
) -> dict[str, list[Place]] | None:
    """The groups between the layers in that order; None where they do not fit."""
    groups: dict[str, list[Place]] = {}
    last, units, wide = '', 0, False        # of the layer before: wide, a convolution
    for layer in order:
        kernel = str(layer.kernel)
        shape = shapes[kernel]
        out, into = way.axes(len(shape))
        here = [Place(kernel, out), *(Place(name, 0) for name in layer.vectors)]
        if last and _is_depthwise(layer, shape, way, units):
            if 'depthwise' in kernel:
                here[0] = Place(kernel, into)
            groups[last] += here
            groups[layer.name] = groups[last]       # the same units
            continue
        if any(shapes[name][0] != shape[out] for name in layer.vectors):
            return None
        if last:
            each, rest = divmod(shape[into], units)
            spread = len(shape) > 2 or each > 1     # over pixels: from those only
            flattens = len(shape) == 2 or each == 1
            if rest or not each or not flattens or (spread and not wide):
                return None
            flattened = (each, 1) if way.out_first else (1, each)
            groups[last].append(Place(kernel, into, *flattened))
        last, units, wide = layer.name, shape[out], len(shape) > 2
        groups[last] = here
    return groups


def _is_depthwise(
    layer: Layer, shape: Sequence[int], way: _Way, units: int,
) -> bool:
    """Whether a convolution goes over each unit by itself."""
    if len(shape) < 3:
        return False
    if 'depthwise' in str(layer.kernel):
        return shape[-1] == 1 and shape[-2] == units
    return way.out_first and shape[1] == 1 and shape[0] == units != 1


def _attach(
    norm: Layer, found: Sequence[Layer], order: Sequence[Layer],
    groups: dict[str, list[Place]], shapes: Shapes,
) -> None:
    """Put the vectors of a norm to the units of the layer before it."""
    lengths = {shapes[name][0] for name in norm.vectors}
    if len(lengths) > 1:
        raise AlignmentError(f"the tensors of '{norm.name}' differ in length")
    length = lengths.pop()

    def fits(layer: Layer) -> bool:
        first = groups[layer.name][0]
        return shapes[first.tensor][first.axis] == length

    rivals = [
        n for n in found if not n.kernel and n.stack == norm.stack
        and shapes[n.vectors[0]][0] == length
    ]
    before = _before(norm, found, [k for k in order if fits(k)], rivals)
    if before is None:
        raise AlignmentError(f"which layer '{norm.name}' comes after cannot be told")
    groups[before.name] += [Place(name, 0) for name in norm.vectors]


def _before(
    norm: Layer, found: Sequence[Layer], fitting: Sequence[Layer],
    rivals: Sequence[Layer],
) -> Layer | None:
    """The layer before a norm, of those with as many units; ``rivals``: such norms."""
    if norm.is_counted_only:
        earlier = [
            k for k in found if k.kernel and k.stack == norm.stack
            and layers.natural(k) < layers.natural(norm)
        ]
        return earlier[-1] if earlier and earlier[-1] in fitting else None
    alike = [k for k in fitting if k.number == norm.number and k.parent == norm.parent]
    if norm.number and len(alike) == 1:
        return alike[0]
    return fitting[rivals.index(norm)] if len(fitting) == len(rivals) else None
