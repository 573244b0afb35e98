"""dare_ties: drop at random and rescale as dare_linear, elect signs as ties.

"Language Models are Super Mario" (Yu et al., arXiv 2311.03099); mergekit's
``dare_ties``. Weights are 1 each unless rules say otherwise.
"""
from __future__ import annotations

from git_model_driver.merging.methods import dare_linear
from git_model_driver.merging.methods import vectors
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters

NAME = 'dare_ties'
NEEDS_BASE = True
SYMMETRIC = True
SPARSE = True
PARAMETERS = dare_linear.PARAMETERS


def plan(operands: Operands, parameters: Parameters) -> Combine:
    thin = dare_linear.thinned(operands, parameters)
    return vectors.combination(operands, parameters, thin, elect=True)
