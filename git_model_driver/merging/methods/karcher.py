"""karcher: the mean of the versions' directions on the sphere, at their mean norm.

The Riemannian centre of mass of the unit vectors x_i / |x_i|, found by steps along
the mean of their logarithms, until a step is shorter than ``tol`` or ``max-iter`` are
done; times the mean of the norms. Tensors of norm at most ``tol`` have no direction.

"Riemannian center of mass and mollifier smoothing" (Karcher 1977); mergekit's
``karcher`` (arXiv 2603.04972). Weights have no say in it.
"""
from __future__ import annotations

import math

from git_model_driver.merging.methods import geometry
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import number

NAME = 'karcher'
NEEDS_BASE = False
SYMMETRIC = True
AVERAGE = True
PARAMETERS = {'max-iter': number('10', '0'), 'tol': number('0.00001', '0')}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    tol, order = float(parameters['tol']), geometry.arranged(operands)
    gram = geometry.gram(operands, order, from_base=False)
    norms = [math.sqrt(gram[i][i]) for i in range(len(order))]
    valid = [i for i, norm in enumerate(norms) if norm > tol]
    coefficients = [0.0] * len(order)
    if valid:
        cosines = [
            [geometry.cosine(gram[i][j], norms[i], norms[j]) for j in valid]
            for i in valid
        ]
        mean = _mean(cosines, tol, int(parameters['max-iter']))
        scale = sum(norms) / len(norms)
        for i, share in zip(valid, mean):
            coefficients[i] = scale * share / norms[i]
    return geometry.weighted(order, coefficients, from_base=False)


def _mean(cosines: geometry.Gram, tol: float, steps: int) -> list[float]:
    """The mean as coefficients of the unit vectors with these inner products."""
    n = len(cosines)
    mean = [1 / n] * n
    norm = _norm(mean, cosines)
    mean = [1.0] + [0.0] * (n - 1) if norm < tol else [x / norm for x in mean]
    for _ in range(steps):
        tangent = [0.0] * n
        for j in range(n):
            dot = sum(mean[i] * cosines[i][j] for i in range(n))
            dot = max(-1.0, min(1.0, dot))
            theta = math.acos(dot)
            if theta < tol or math.sin(theta) == 0:
                continue
            factor = theta / math.sin(theta) / n
            tangent = [x - factor * dot * m for x, m in zip(tangent, mean)]
            tangent[j] += factor
        length = _norm(tangent, cosines)
        if length < tol:
            break
        along, turn = math.cos(length), math.sin(length) / length
        mean = [along * m + turn * x for m, x in zip(mean, tangent)]
        norm = _norm(mean, cosines)
        if norm > tol:
            mean = [x / norm for x in mean]
    return mean


def _norm(vector: list[float], cosines: geometry.Gram) -> float:
    square = sum(
        x * y * cosines[i][j]
        for i, x in enumerate(vector) for j, y in enumerate(vector)
    )
    return math.sqrt(max(square, 0.0))
