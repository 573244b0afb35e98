"""sce: select by variance, calculate weights, erase minorities.

With ``select-topk`` below 1 only that share of the elements with the largest
variance over the versions (of those that have any) takes part. A sign is elected
as in ties; each version weighs as much as the mean square of its delta:
base + sum(w_i delta_i) / sum(w_i) over the versions that agree with the sign.

"FuseChat" (Wan et al., arXiv 2408.07990); mergekit's ``sce``. Rules' weights have
no say in it.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from git_model_driver.merging.methods import order
from git_model_driver.merging.methods import vectors
from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import number

NAME = 'sce'
NEEDS_BASE = True
SYMMETRIC = True
SPARSE = True
PARAMETERS = {'select-topk': number('1', '0', '1')}
_LEAST = 1e-6


def plan(operands: Operands, parameters: Parameters) -> Combine:
    cut = _selected(operands, parameters)
    weights = _weights(operands, cut)
    mask = order.Mask(cut) if cut else None

    def combine(block: Block) -> Any:
        import numpy

        deltas = _deltas(block, mask)
        total = deltas[0].copy()
        for delta in deltas[1:]:
            total += delta
        positive = total >= 0
        merged, divisor = numpy.zeros_like(total), numpy.zeros_like(total)
        for weight, delta in zip(weights, deltas):
            agrees = numpy.where(positive, delta > 0, delta < 0)
            share = agrees * delta.dtype.type(weight)
            merged += delta * share
            divisor += share
        merged /= numpy.maximum(divisor, divisor.dtype.type(_LEAST))
        return block.base + merged

    return combine


def _deltas(block: Block, mask: order.Mask | None) -> list[Any]:
    deltas = [vectors.delta(block, i) for i in range(len(block.versions))]
    if mask is not None:
        kept = mask(_variance(deltas))
        for delta in deltas:
            delta *= kept
    return deltas


def _variance(deltas: list[Any]) -> Any:
    """Of the versions, element by element; in a fixed order."""
    kind = deltas[0].dtype.type
    mean = deltas[0].copy()
    for delta in deltas[1:]:
        mean += delta
    mean /= kind(len(deltas))
    total = (deltas[0] - mean) ** 2
    for delta in deltas[1:]:
        total += (delta - mean) ** 2
    total /= kind(len(deltas))
    return total


def _selected(operands: Operands, parameters: Parameters) -> order.Cut | None:
    """Which elements take part; None for all."""
    share = parameters['select-topk']
    if share >= 1:
        return None

    def variances() -> Iterator[Any]:
        for block in operands.blocks():
            n = len(block.versions)
            yield _variance([vectors.delta(block, i) for i in range(n)])

    nonzero = sum(int((found != 0).sum()) for found in variances())
    return order.largest(variances, vectors.count(share, nonzero), operands.size)


def _weights(operands: Operands, cut: order.Cut | None) -> list[float]:
    """The mean squares of the deltas, as shares; equal where all are tiny."""
    squares = [0.0] * len(operands.weights)
    mask = order.Mask(cut) if cut else None
    for block in operands.blocks():
        for i, delta in enumerate(_deltas(block, mask)):
            wide = delta.astype('float64')
            squares[i] += vectors.norm1(wide * wide)
    means = [square / max(operands.size, 1) for square in squares]
    total = sum(means)
    if abs(total) < _LEAST:
        return [1 / len(means)] * len(means)
    return [mean / total for mean in means]
