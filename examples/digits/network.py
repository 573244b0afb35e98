"""A network of two hidden layers for 8x8 pictures of digits, in NumPy alone."""
from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy

WIDTHS = 64, 64, 32, 10


def made(seed: int) -> dict[str, Any]:
    """Random weights (He et al., arXiv 1502.01852), float32: (out, in) and (out,)."""
    random = numpy.random.default_rng(seed)
    model = {}
    for i, (into, out) in enumerate(pairwise(WIDTHS)):
        model[f'fc{i}.weight'] = random.normal(0, (2 / into) ** .5, (out, into))
        model[f'fc{i}.bias'] = numpy.zeros(out)
    return {name: array.astype('f4') for name, array in model.items()}


def layers(model: dict[str, Any], x: Any) -> list[Any]:
    """The inputs of each layer, and what comes out of the last: logits."""
    seen = [x]
    for i in range(3):
        x = x @ model[f'fc{i}.weight'].T + model[f'fc{i}.bias']
        x = numpy.maximum(x, 0) if i < 2 else x
        seen.append(x)
    return seen


def gradients(model: dict[str, Any], x: Any, y: Any) -> dict[str, Any]:
    """Of the mean cross-entropy, by backpropagation."""
    seen, found = layers(model, x), {}
    odds = numpy.exp(seen[-1] - seen[-1].max(axis=1, keepdims=True))
    back = odds / odds.sum(axis=1, keepdims=True)
    back[numpy.arange(len(y)), y] -= 1
    back /= len(y)
    for i in reversed(range(3)):
        found[f'fc{i}.weight'] = back.T @ seen[i]
        found[f'fc{i}.bias'] = back.sum(axis=0)
        back = back @ model[f'fc{i}.weight'] * (seen[i] > 0)
    return found


def train(
    model: dict[str, Any], x: Any, y: Any, epochs: int, seed: int, rate: float = .05,
) -> dict[str, Any]:
    """Gradient descent in batches of 32."""
    random = numpy.random.default_rng(seed)
    model = dict(model)
    for _ in range(epochs):
        order = random.permutation(len(x))
        for start in range(0, len(x), 32):
            batch = order[start:start + 32]
            for name, slope in gradients(model, x[batch], y[batch]).items():
                model[name] = (model[name] - rate * slope).astype('f4')
    return model


def fisher(model: dict[str, Any], x: Any, y: Any) -> dict[str, Any]:
    """The diagonal of the empirical Fisher information (arXiv 2111.09832)."""
    total = {name: numpy.zeros_like(array) for name, array in model.items()}
    for i in range(len(x)):
        for name, slope in gradients(model, x[i:i + 1], y[i:i + 1]).items():
            total[name] += (slope ** 2 / len(x)).astype('f4')
    return {name: array + numpy.float32(1e-8) for name, array in total.items()}


def accuracy(model: dict[str, Any], x: Any, y: Any) -> float:
    """In per cent."""
    return 100 * float((layers(model, x)[-1].argmax(axis=1) == y).mean())
