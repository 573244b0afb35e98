"""model_stock: between base and the mean, as the angle of the changes says.

t mean(x_i) + (1 - t) base with t = N c / (1 + (N - 1) c), where c is the mean cosine
of the pairs of changes x_i - base; base where 1 + (N - 1) c vanishes. With
``filter-wise`` each row (the last axis) has its own t.

"Model Stock: All we need is just a few fine-tuned models" (Jang et al., arXiv
2403.19522); mergekit's ``model_stock``. Weights have no say in it.
"""
from __future__ import annotations

import math
from typing import Any

from git_model_driver.merging.methods import geometry
from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import flag

NAME = 'model_stock'
NEEDS_BASE = True
SYMMETRIC = True
PARAMETERS = {'filter-wise': flag(False)}
_TINY = 1e-6


def plan(operands: Operands, parameters: Parameters) -> Combine:
    order = geometry.arranged(operands)
    n = len(order)
    if n < 2:
        raise ValueError('it takes two versions or more')
    if parameters['filter-wise'] and operands.size and operands.shape:
        return geometry.given(_by_rows(operands, order))
    gram = geometry.gram(operands, order, from_base=True)
    norms = [math.sqrt(gram[i][i]) for i in range(n)]
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    cosines = [
        max(-1.0, min(1.0, gram[i][j] / max(norms[i] * norms[j], _TINY)))
        for i, j in pairs
    ]
    t = _share(sum(cosines) / len(cosines), n)

    def combine(block: Block) -> Any:
        kind = block.base.dtype.type
        total = block.versions[order[0]]
        for i in order[1:]:
            total = total + block.versions[i]
        total = total / kind(n)
        return total * kind(t) + block.base * kind(1 - t)

    return combine


def _share(cosine: float, n: int) -> float:
    below = 1 + (n - 1) * cosine
    return 0.0 if abs(below) < _TINY else n * cosine / below


def _by_rows(operands: Operands, order: list[int]) -> Any:
    import numpy

    base, versions = geometry.whole(operands)
    kind, n = base.dtype, len(order)
    old = base.astype('float64')
    changes = [versions[i].astype('float64') - old for i in order]
    norms = [numpy.sqrt(geometry.sums(change * change)) for change in changes]
    cosines = [
        numpy.clip(
            geometry.sums(changes[i] * changes[j])
            / numpy.maximum(norms[i] * norms[j], _TINY), -1, 1,
        )
        for i in range(n) for j in range(i + 1, n)
    ]
    mean = cosines[0]
    for cosine in cosines[1:]:
        mean = mean + cosine
    mean = mean / len(cosines)
    below = 1 + (n - 1) * mean
    singular = numpy.abs(below) < _TINY
    t = numpy.where(singular, 0, n * mean / numpy.where(singular, 1, below))[..., None]
    total = versions[order[0]]
    for i in order[1:]:
        total = total + versions[i]
    return (total / kind.type(n)) * t.astype(kind) + base * (1 - t).astype(kind)
