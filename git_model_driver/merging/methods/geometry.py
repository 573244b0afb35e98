"""Angles and norms of whole tensors, and sums of them with coefficients.

Means on a sphere lie in the span of the versions: one pass for their inner
products is enough, the rest is arithmetic with a few numbers in float64.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from git_model_driver.core import numbers
from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands

Gram = list[list[float]]


def arranged(operands: Operands) -> list[int]:
    """The versions in an order that does not depend on who is ours."""
    return sorted(range(len(operands.oids)), key=lambda i: (operands.oids[i], i))


def gram(operands: Operands, order: Sequence[int], from_base: bool) -> Gram:
    """Inner products of the versions, or of their changes from base, in float64."""
    n = len(order)
    sums = [[0.0] * n for _ in range(n)]
    for block in operands.blocks():
        arrays = [block.versions[i].astype('float64') for i in order]
        if from_base:
            base = block.base.astype('float64')
            arrays = [array - base for array in arrays]
        for i in range(n):
            for j in range(i, n):
                sums[i][j] += numbers.tree_sum(arrays[i] * arrays[j])
    return [[sums[min(i, j)][max(i, j)] for j in range(n)] for i in range(n)]


def weighted(
    order: Sequence[int], coefficients: Sequence[float], from_base: bool,
) -> Combine:
    """sum c_i x_i, or base + sum c_i (x_i - base), in the order given."""

    def combine(block: Block) -> Any:
        total = None
        for i, coefficient in zip(order, coefficients):
            array = block.versions[i]
            if from_base:
                array = array - block.base
            part = array * array.dtype.type(coefficient)
            total = part if total is None else total + part
        return block.base + total if from_base else total

    return combine


def whole(operands: Operands) -> tuple[Any, list[Any]]:
    """Base (or None) and the versions in memory, in their shape."""
    import numpy

    blocks = list(operands.blocks())
    if not blocks:
        return None, []
    base = None
    if blocks[0].base is not None:
        base = numpy.concatenate([b.base for b in blocks]).reshape(operands.shape)
    versions = [
        numpy.concatenate([b.versions[i] for b in blocks]).reshape(operands.shape)
        for i in range(len(blocks[0].versions))
    ]
    return base, versions


def sums(values: Any) -> Any:
    """Sums over the last axis in float64, by halving, in a fixed order."""
    import numpy

    size = 1
    while size < values.shape[-1]:
        size *= 2
    total = numpy.zeros((*values.shape[:-1], size))
    total[..., :values.shape[-1]] = values
    while size > 1:
        size //= 2
        total = total[..., :size] + total[..., size:2 * size]
    return total[..., 0]


def given(result: Any) -> Combine:
    """What is in memory, block by block."""
    flat = result.reshape(-1)

    def combine(block: Block) -> Any:
        found = flat[block.start:block.start + len(block.versions[0])]
        return found.astype(block.versions[0].dtype)

    return combine


def cosine(product: float, one: float, other: float) -> float:
    return max(-1.0, min(1.0, product / (one * other)))


def arc(t: float, cos: float) -> tuple[float, float]:
    """Coefficients on the arc between two unit vectors, at the share t of it."""
    theta = math.acos(cos)
    sine = math.sin(theta)
    return math.sin((1 - t) * theta) / sine, math.sin(t * theta) / sine


def share(operands: Operands) -> float:
    """The second version's share of the weights; half of it where they sum to 0."""
    total = float(sum(operands.weights))
    return 0.5 if abs(total) < 1e-6 else float(operands.weights[1]) / total
