"""breadcrumbs_ties: without the smallest and the very largest changes.

Of each delta x_i - base the share ``gamma`` of largest magnitude is dropped, then
the smallest, so that ``density`` of it stays (fewer of the largest where both
cannot be): with the signs elected as in ties.

"Model Breadcrumbs" (Davari, Belilovsky, arXiv 2312.06795); mergekit's
``breadcrumbs_ties``. Weights are 1 each unless rules say otherwise.
"""
from __future__ import annotations

from git_model_driver.merging.methods import breadcrumbs
from git_model_driver.merging.methods import vectors
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters

NAME = 'breadcrumbs_ties'
NEEDS_BASE = True
SYMMETRIC = True
SPARSE = True
PARAMETERS = breadcrumbs.PARAMETERS


def plan(operands: Operands, parameters: Parameters) -> Combine:
    n = len(operands.weights)
    thin = [breadcrumbs.thinned(operands, i, parameters) for i in range(n)]
    return vectors.combination(operands, parameters, thin, elect=True)
