"""ties: trim, elect sign, merge.

Of each delta x_i - base the ``density`` of largest magnitude is kept; for each
element the sign of sum(w_i delta_i) is elected (0 counts as positive), and what
agrees with it is averaged: base + lambda * sum(w_i delta_i) / sum(w_i), over the
versions that agree (without ``normalize`` their sum).

"TIES-Merging" (Yadav et al., arXiv 2306.01708); mergekit's ``ties``. At least one
element is kept. Weights are 1 each unless rules say otherwise.
"""
from __future__ import annotations

from functools import partial

from git_model_driver.merging.methods import order
from git_model_driver.merging.methods import vectors
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import flag

NAME = 'ties'
NEEDS_BASE = True
SYMMETRIC = True
SPARSE = True
PARAMETERS = {**vectors.SPARSE, 'normalize': flag(True)}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    thin = [thinned(operands, i, parameters) for i in range(len(operands.weights))]
    return vectors.combination(operands, parameters, thin, elect=True)


def thinned(operands: Operands, i: int, parameters: Parameters) -> vectors.Thin | None:
    """Keep the largest magnitudes of version i's delta."""
    density = parameters['density']
    if density >= 1:
        return None
    if density <= 0:
        return vectors.nothing
    kept = max(1, vectors.count(density, operands.size))
    cut = order.largest(vectors.passes(operands, i), kept, operands.size)
    make = partial(_cutting, cut)
    return vectors.rescaled(operands, i, make) if parameters['rescale'] else make()


def _cutting(cut: order.Cut) -> vectors.Thin:
    return vectors.keeping(order.Mask(cut))
