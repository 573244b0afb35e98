"""fisher: the mean of the versions, weighted element by element by what they know.

sum(w_i F_i x_i) / sum(w_i F_i), where F_i is the diagonal of version i's Fisher
information (the mean square of the gradients of the log likelihood, in the order of
the tensor): elements that matter to a version keep its value. F_i is at least
``epsilon``, so that the mean of what nobody knows is the plain one.

"Merging Models with Fisher-Weighted Averaging" (Matena, Raffel, arXiv 2111.09832).
The information is a model of its own, with the same tensors, tracked beside the
model: ``m.fisher.safetensors`` for ``m.safetensors``, or as the rule ``fisher`` says.
"""
from __future__ import annotations

from typing import Any

from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import number

NAME = 'fisher'
NEEDS_BASE = False
SYMMETRIC = True
AVERAGE = True
COMPANION = 'fisher'
PARAMETERS = {'epsilon': number('0.000001', '0')}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    if not sum(operands.weights):
        raise ValueError('the weights sum to 0')
    weights = [float(weight) for weight in operands.weights]
    floor = float(parameters['epsilon'])

    def combine(block: Block) -> Any:
        import numpy

        n = len(weights)
        total: Any = None
        divisor: Any = None
        for weight, array, known in zip(weights, block.versions, block.versions[n:]):
            kind = array.dtype.type
            share = numpy.maximum(known, kind(floor)) * kind(weight)
            part = share * array
            total = part if total is None else total + part
            divisor = share if divisor is None else divisor + share
        divisor = numpy.where(divisor == 0, divisor.dtype.type(1), divisor)
        return total / divisor

    return combine
