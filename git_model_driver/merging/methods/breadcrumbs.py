"""breadcrumbs: without the smallest and the very largest changes.

Of each delta x_i - base the share ``gamma`` of largest magnitude is dropped, then
the smallest, so that ``density`` of it stays (fewer of the largest where both
cannot be): base + lambda * sum(w_i delta_i) over what is kept.

"Model Breadcrumbs" (Davari, Belilovsky, arXiv 2312.06795); mergekit's
``breadcrumbs``. Weights are 1 each unless rules say otherwise.
"""
from __future__ import annotations

from functools import partial
from typing import Any

from git_model_driver.merging.methods import order
from git_model_driver.merging.methods import vectors
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import number

NAME = 'breadcrumbs'
NEEDS_BASE = True
SYMMETRIC = True
SPARSE = True
PARAMETERS = {**vectors.SPARSE, 'gamma': number('0.01', '0', '1')}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    thin = [thinned(operands, i, parameters) for i in range(len(operands.weights))]
    return vectors.combination(operands, parameters, thin, elect=False)


def thinned(operands: Operands, i: int, parameters: Parameters) -> vectors.Thin | None:
    """Keep the middle magnitudes of version i's delta."""
    density, size = parameters['density'], operands.size
    if density >= 1:
        return None
    kept = vectors.count(density, size)
    bottom = max(0, size - kept - vectors.count(parameters['gamma'], size))
    dropped = size - bottom - kept      # of the largest
    magnitudes = vectors.passes(operands, i)
    upper = order.largest(magnitudes, dropped, size)
    lower = order.largest(magnitudes, dropped + kept, size)
    make = partial(_between, lower, upper)
    return vectors.rescaled(operands, i, make) if parameters['rescale'] else make()


def _between(lower: order.Cut, upper: order.Cut) -> vectors.Thin:
    inner, outer = order.Mask(lower), order.Mask(upper)

    def mask(values: Any) -> Any:
        return inner(values) & ~outer(values)

    return vectors.keeping(mask)
