"""della: drop at random, small changes sooner; elect signs as ties.

Within each row of a delta x_i - base (all of a vector) an element is kept with a
probability that rises with the rank of its magnitude, linearly from
``density - epsilon`` to ``density + epsilon``; both must lie in (0, 1). Scaled and
merged as in dare_ties.

"DELLA-Merging" (Deep, Bhardwaj, Poria, arXiv 2406.11617); mergekit's ``della``.
Weights are 1 each unless rules say otherwise.
"""
from __future__ import annotations

from functools import partial
from typing import Any

from git_model_driver.merging.methods import chance
from git_model_driver.merging.methods import vectors
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import flag
from git_model_driver.merging.methods.base import number

NAME = 'della'
NEEDS_BASE = True
SYMMETRIC = True
SPARSE = True
ROWS = True
PARAMETERS = {
    **vectors.SPARSE, 'rescale': flag(True), 'seed': number(None),
    'normalize': flag(True), 'epsilon': number('0.15', '0', '1'),
}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    thin = thinned(operands, parameters)
    return vectors.combination(operands, parameters, thin, elect=True)


def thinned(operands: Operands, parameters: Parameters) -> list[vectors.Thin | None]:
    """Keep elements of each delta by chance and rank. Raises ValueError."""
    density, epsilon = parameters['density'], parameters['epsilon']
    if density >= 1:
        return [None] * len(operands.weights)
    if density <= 0:
        return [vectors.nothing] * len(operands.weights)
    if density + epsilon >= 1 or density - epsilon <= 0:
        raise ValueError("'density' plus and minus 'epsilon' must lie between 0 and 1")
    row = operands.shape[-1] if operands.shape else 1
    least, most = float(density - epsilon), float(density + epsilon)
    found: list[vectors.Thin | None] = []
    for i, key in enumerate(chance.keys(operands, parameters)):
        make = partial(_dropping, key, row, least, most)
        found.append(
            vectors.rescaled(operands, i, make) if parameters['rescale'] else make(),
        )
    return found


def _dropping(key: int, row: int, least: float, most: float) -> vectors.Thin:
    import numpy

    # By rank: the probability in steps of the random numbers.
    ranks = numpy.arange(row) / max(row - 1, 1) if row > 1 else numpy.array([0.5])
    limits = ((least + ranks * (most - least)) * chance.LEVELS).astype('int64')

    def thin(found: Any, start: int) -> Any:
        magnitudes = numpy.abs(found).reshape(-1, row)
        order = magnitudes.argsort(axis=1, kind='stable')
        limit = numpy.empty(order.shape, 'int64')
        numpy.put_along_axis(limit, order, limits[None, :], axis=1)
        found *= chance.lanes(key, start, len(found)) < limit.reshape(-1)
        return found

    return thin
