"""della_linear: drop at random, small changes sooner, as della; then add.

base + lambda * sum(w_i delta_i). "DELLA-Merging" (Deep, Bhardwaj, Poria, arXiv
2406.11617); mergekit's ``della_linear``. Weights are 1 each unless rules say
otherwise.
"""
from __future__ import annotations

from git_model_driver.merging.methods import della
from git_model_driver.merging.methods import vectors
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import flag

NAME = 'della_linear'
NEEDS_BASE = True
SYMMETRIC = True
SPARSE = True
ROWS = True
PARAMETERS = {**della.PARAMETERS, 'normalize': flag(False)}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    thin = della.thinned(operands, parameters)
    return vectors.combination(operands, parameters, thin, elect=False)
