"""Task vectors: what the versions changed, thinned out, weighed and added.

delta_i = x_i - base. Methods differ in which elements of a delta they keep, and
whether the versions first elect a sign for each element. Computed in the order and
precision of mergekit 0.1.5 on float32 tensors, so that the results are the same.
"""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from git_model_driver.core import numbers
from git_model_driver.merging.methods import order
from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import flag
from git_model_driver.merging.methods.base import number

# Keeps some elements of a delta (its flat start in the tensor is given).
Thin = Callable[[Any, int], Any]

LAMBDA = number('1')
DENSITY = number('1', '0', '1')
COMMON = {'lambda': LAMBDA, 'normalize': flag(False)}
SPARSE = {**COMMON, 'density': DENSITY, 'rescale': flag(False)}


def delta(block: Block, i: int) -> Any:
    import numpy

    return numpy.subtract(block.versions[i], block.base, out=block.versions[i])


def passes(operands: Operands, i: int) -> order.Pass:
    """Magnitudes of version i's delta."""
    import numpy

    def magnitudes() -> Iterator[Any]:
        for block in operands.blocks():
            found = delta(block, i)
            yield numpy.abs(found, out=found)

    return magnitudes


def combination(
    operands: Operands, parameters: Parameters, thin: Sequence[Thin | None],
    elect: bool,
) -> Combine:
    """base + lambda * the (weighted) sum of the thinned deltas."""
    weights = [float(weight) for weight in operands.weights]
    factor = float(parameters['lambda'])
    normalize = parameters['normalize']

    def combine(block: Block) -> Any:
        deltas = []
        for i, thinned in enumerate(thin):
            found = delta(block, i)
            if thinned is not None:
                found = thinned(found, block.start)
            if weights[i] != 1:
                found *= found.real.dtype.type(weights[i])
            deltas.append(found)
        mixed = (_elected if elect else _added)(deltas, weights, normalize)
        if factor != 1:
            mixed *= mixed.real.dtype.type(factor)
        mixed += block.base
        return mixed

    return combine


def _added(deltas: list[Any], weights: Sequence[float], normalize: bool) -> Any:
    mixed = deltas[0]
    for found in deltas[1:]:
        mixed += found
    if normalize:
        kind = mixed.real.dtype.type
        total = kind(weights[0])
        for weight in weights[1:]:
            total = total + kind(weight)
        if abs(total) >= 1e-8:
            mixed /= total
    return mixed


def _elected(deltas: list[Any], weights: Sequence[float], normalize: bool) -> Any:
    """Only what has the sign of the sum counts; its mean, or its sum."""
    import numpy

    total = deltas[0].copy()
    for found in deltas[1:]:
        total += found
    positive = total >= 0
    total[...] = 0
    divisor = numpy.zeros_like(total) if normalize else None
    for weight, found in zip(weights, deltas):
        agrees = numpy.where(positive, found > 0, found < 0)
        found *= agrees
        total += found
        if divisor is not None:
            divisor += agrees * found.dtype.type(weight)
    if divisor is not None:
        divisor[divisor == 0] = 1
        total /= divisor
    return total


def rescaled(operands: Operands, i: int, make: Callable[[], Thin]) -> Thin:
    """Thin out and scale so that the sum of magnitudes (L1 norm) stays.

    Where it, or what is left of it, is below 1e-7, nothing is scaled.
    """
    import numpy

    before = after = 0.0
    thin = make()
    for block in operands.blocks():
        found = delta(block, i)
        before += norm1(numpy.abs(found))
        after += norm1(numpy.abs(thin(found, block.start)))
    again = make()
    if before < 1e-7 or after < 1e-7:
        return again
    ratio = before / after

    def scaled(found: Any, start: int) -> Any:
        kept = again(found, start)
        kept *= kept.dtype.type(ratio)
        return kept

    return scaled


def norm1(values: Any) -> float:
    """The sum of non-negative values as float64 trees of fixed blocks."""
    total = 0.0
    for start in range(0, len(values), numbers.BLOCK):
        part = values[start:start + numbers.BLOCK].astype('float64')
        total += numbers.tree_sum(part)
    return total


def keeping(mask: Callable[[Any], Any]) -> Thin:
    """Thin out by a mask of magnitudes."""
    import numpy

    def thin(found: Any, start: int) -> Any:
        found *= mask(numpy.abs(found))
        return found

    return thin


def nothing(found: Any, start: int) -> Any:
    """A density of 0 keeps nothing."""
    found[...] = 0
    return found


def count(share: Fraction, size: int) -> int:
    """int(share * size) as float64 has it: mergekit's number of elements."""
    return int(float(share) * size)
