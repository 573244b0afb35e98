"""multislerp: a weighted mean on the sphere, taken in one tangent space.

The unit vectors x_i / |x_i| are carried into the plane that touches the sphere at
their weighted mean, averaged there, and carried back; times the weighted mean of
the norms. With ``use-base`` for the changes from base, added to it.

mergekit's ``multislerp`` (Goddard, goddard.blog 2025). Versions that cancel out
raise an error, unless they are two: then their weighted sum is the result.
"""
from __future__ import annotations

import math
from collections.abc import Sequence

from git_model_driver.merging.methods import geometry
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import flag
from git_model_driver.merging.methods.base import number

NAME = 'multislerp'
NEEDS_BASE = False
SYMMETRIC = True
AVERAGE = True
PARAMETERS = {
    'normalize-weights': flag(True), 'eps': number('0.00000001', '0'),
    'use-base': flag(False),
}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    order, eps = geometry.arranged(operands), float(parameters['eps'])
    from_base = parameters['use-base']
    exact = [operands.weights[i] for i in order]
    if parameters['normalize-weights']:
        total = sum(exact)
        if total == 0:
            raise ValueError('the weights sum to 0')
        exact = [weight / total for weight in exact]
    weights = [float(weight) for weight in exact]
    gram = geometry.gram(operands, order, from_base)
    return geometry.weighted(order, _coefficients(gram, weights, eps), from_base)


def _coefficients(
    gram: geometry.Gram, weights: Sequence[float], eps: float,
) -> list[float]:
    n = len(weights)
    norms = [math.sqrt(gram[i][i]) for i in range(n)]
    # Of unit vectors x_i / (|x_i| + eps), which are 0 for a tensor of zeros.
    scales = [1 / (norm + eps) if norm + eps > 0 else 0.0 for norm in norms]
    dots = [[gram[i][j] * scales[i] * scales[j] for j in range(n)] for i in range(n)]
    mean_norm = _norm(weights, dots)
    if mean_norm < eps or mean_norm == 0:
        if n == 2:
            return list(weights)
        raise ValueError('the versions cancel out')
    mean = [weight / mean_norm for weight in weights]
    along = [sum(mean[i] * dots[i][j] for i in range(n)) for j in range(n)]
    shift = sum(weight * dot for weight, dot in zip(weights, along))
    tangent = [weight - shift * m for weight, m in zip(weights, mean)]
    length = _norm(tangent, dots) + eps
    turn = math.sin(length) / length if length else 1.0
    scale = sum(weight * norm for weight, norm in zip(weights, norms))
    return [
        scale * (m * math.cos(length) + x * turn) * s
        for m, x, s in zip(mean, tangent, scales)
    ]


def _norm(vector: Sequence[float], dots: geometry.Gram) -> float:
    square = sum(
        x * y * dots[i][j]
        for i, x in enumerate(vector) for j, y in enumerate(vector)
    )
    return math.sqrt(max(square, 0.0))
