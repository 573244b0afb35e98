"""task_arithmetic: base + lambda * sum(w_i (x_i - base)) [/ sum(w_i) if normalize].

"Editing Models with Task Arithmetic" (Ilharco et al., arXiv 2212.04089); mergekit's
``task_arithmetic``. Weights are 1 each unless rules say otherwise.
"""
from __future__ import annotations

from git_model_driver.merging.methods import vectors
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters

NAME = 'task_arithmetic'
NEEDS_BASE = True
SYMMETRIC = True
PARAMETERS = vectors.COMMON


def plan(operands: Operands, parameters: Parameters) -> Combine:
    return vectors.combination(
        operands, parameters, [None] * len(operands.weights), elect=False,
    )
