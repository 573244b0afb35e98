"""linear: the weighted average, sum(w_i x_i) / sum(w_i).

"Model soups" (Wortsman et al., arXiv 2203.05482); mergekit's ``linear`` with
``normalize``. ``weight`` is theirs' share, 0 to 1, and ours has the rest (default
0.5); or ``ours-weight`` and ``theirs-weight`` give any two weights (default 1).

The weights are normalised exactly, then rounded to the arrays' precision. An
element that is the same on both sides stays as it is, bit for bit.
"""
from __future__ import annotations

from typing import Any

from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameter
from git_model_driver.merging.methods.base import Parameters

NAME = 'linear'
NEEDS_BASE = False
SYMMETRIC = True
AVERAGE = True
PARAMETERS: dict[str, Parameter] = {}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    total = sum(operands.weights)
    if total == 0:
        raise ValueError('the weights sum to 0')
    shares = [float(weight / total) for weight in operands.weights]

    def combine(block: Block) -> Any:
        first, *others = block.versions
        merged = first * first.real.dtype.type(shares[0])
        for share, array in zip(shares[1:], others):
            merged += array * array.real.dtype.type(share)
        return merged

    return combine
