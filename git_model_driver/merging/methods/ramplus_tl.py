"""ramplus_tl: ram, with more weight for what a version alone changed.

The changes of only one version are scaled by 1 + r * min(alpha, shared / unique),
where shared and unique count, in this tensor, what the version changed together
with others and alone. "Reinforced Agent Merging" (arXiv 2601.13572); mergekit's
``ramplus_tl``. Weights have no say in it.
"""
from __future__ import annotations

from typing import Any

from git_model_driver.merging.methods import ram
from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import number

NAME = 'ramplus_tl'
NEEDS_BASE = True
SYMMETRIC = True
PARAMETERS = {
    **ram.PARAMETERS, 'r': number('0.1'), 'alpha': number('0.2', '0'),
}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    epsilon = float(parameters['epsilon'])
    scales = _scales(operands, parameters, epsilon)

    def combine(block: Block) -> Any:
        import numpy

        deltas, counts = ram.changes(block, epsilon)
        unique = counts == 1
        counts[counts == 0] = 1
        total = 0.0
        for scale, delta in zip(scales, deltas):
            alone = delta * delta.dtype.type(scale)
            total = total + numpy.where(unique, alone, delta / counts)
        return block.base + total

    return combine


def _scales(
    operands: Operands, parameters: Parameters, epsilon: float,
) -> list[float]:
    n = len(operands.weights)
    shared, unique = [0] * n, [0] * n
    for block in operands.blocks():
        deltas, counts = ram.changes(block, epsilon)
        for i, delta in enumerate(deltas):
            changed = delta != 0
            unique[i] += int((changed & (counts == 1)).sum())
            shared[i] += int((changed & (counts > 1)).sum())
    alpha, r = float(parameters['alpha']), float(parameters['r'])
    return [
        1 + r * min(alpha, s / max(u, epsilon)) for s, u in zip(shared, unique)
    ]
