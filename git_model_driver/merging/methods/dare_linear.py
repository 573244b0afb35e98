"""dare_linear: drop at random and rescale, then add.

Each element of a delta x_i - base is kept with probability ``density``; with
``rescale`` what is left is scaled so that the sum of its magnitudes stays as it was
(mergekit's way; the paper divides by the density). base + lambda * sum(w_i delta_i).

"Language Models are Super Mario" (Yu et al., arXiv 2311.03099); mergekit's
``dare_linear``. ``seed`` changes the choice, which otherwise follows from the
tensors. Weights are 1 each unless rules say otherwise.
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

NAME = 'dare_linear'
NEEDS_BASE = True
SYMMETRIC = True
SPARSE = True
PARAMETERS = {**vectors.SPARSE, 'rescale': flag(True), 'seed': number(None)}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    return vectors.combination(
        operands, parameters, thinned(operands, parameters), elect=False,
    )


def thinned(operands: Operands, parameters: Parameters) -> list[vectors.Thin | None]:
    """Keep elements of each delta by chance."""
    density = parameters['density']
    if density >= 1:
        return [None] * len(operands.weights)
    limit = int(density * chance.LEVELS)
    found: list[vectors.Thin | None] = []
    for i, key in enumerate(chance.keys(operands, parameters)):
        make = partial(_dropping, key, limit)
        found.append(
            vectors.rescaled(operands, i, make) if parameters['rescale'] else make(),
        )
    return found


def _dropping(key: int, limit: int) -> vectors.Thin:
    def thin(found: Any, start: int) -> Any:
        found *= chance.lanes(key, start, len(found)) < limit
        return found

    return thin
