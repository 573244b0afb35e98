"""ram: what one version changed stays whole, what several changed is averaged.

A version changed an element if abs(x_i - base) > epsilon. base + the change of the
only version that changed it, or the mean of the changes of those that did.

"Reinforced Agent Merging" (arXiv 2601.13572); mergekit's ``ram``. Weights have no
say in it.
"""
from __future__ import annotations

from typing import Any

from git_model_driver.merging.methods import vectors
from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import number

NAME = 'ram'
NEEDS_BASE = True
SYMMETRIC = True
PARAMETERS = {'epsilon': number('0.00001', '0')}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    def combine(block: Block) -> Any:
        deltas, counts = changes(block, float(parameters['epsilon']))
        counts[counts == 0] = 1
        total = deltas[0] / counts
        for delta in deltas[1:]:
            total += delta / counts
        total += block.base
        return total

    return combine


def changes(block: Block, epsilon: float) -> tuple[list[Any], Any]:
    """The deltas without what is no change, and how many versions changed what."""
    import numpy

    deltas, counts = [], numpy.zeros(len(block.base), block.base.real.dtype)
    for i in range(len(block.versions)):
        delta = vectors.delta(block, i)
        changed = numpy.abs(delta) > counts.dtype.type(epsilon)
        delta *= changed
        counts += changed
        deltas.append(delta)
    return deltas, counts
