"""Ten versions of a model, one made from another: what the histories are made of.

Versions are computed in float32 and then rounded to the dtype in which they are
kept, as training with float32 master weights does. Everything is seeded.
"""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator

import numpy
import weights as weights_
from weights import Weights

VERSIONS = 10
STEP = 1e-3             # in units of each tensor's own standard deviation
RANK, ALPHA, FACTOR = 8, 16, 0.01
PREVIOUS, BASE = 'previous', 'base'
Change = Callable[[Weights, numpy.random.Generator], Weights]


def last_layers(old: Weights, rng: numpy.random.Generator) -> Weights:
    """Every element of the last two layers and of the pooler moves by noise."""
    prefixes = (*(f'encoder.layer.{i}.' for i in _layers(old)[-2:]), 'pooler.')
    return _moved(old, [name for name in old if name.startswith(prefixes)], rng)


def all_tensors(old: Weights, rng: numpy.random.Generator) -> Weights:
    """Every element of every tensor of floats moves by noise."""
    return _moved(old, list(old), rng)


def lora(old: Weights, rng: numpy.random.Generator) -> Weights:
    """An adapter is merged into the queries and values of every layer."""
    names = ('attention.self.query.weight', 'attention.self.value.weight')
    return {
        name: value + _adapter(value, rng) if name.endswith(names) else value
        for name, value in old.items()
    }


SEQUENCES: dict[str, Change] = {
    'last two layers': last_layers, 'all tensors': all_tensors, 'LoRA merged': lora,
}


def versions(
    base: Weights, sequence: str, dtype: str, origin: str = PREVIOUS,
) -> Iterator[Weights]:
    """``base`` (float32), and what is made of the version before it, or of it."""
    change, current = SEQUENCES[sequence], base
    yield weights_.rounded(base, dtype)
    for number in range(1, VERSIONS):
        rng = numpy.random.default_rng([number, len(sequence)])
        current = change(current if origin == PREVIOUS else base, rng)
        yield weights_.rounded(current, dtype)


def _layers(weights: Weights) -> list[int]:
    found = {int(n.split('.')[2]) for n in weights if n.startswith('encoder.layer.')}
    return sorted(found)


def _moved(old: Weights, names: list[str], rng: numpy.random.Generator) -> Weights:
    new = dict(old)
    for name in names:
        value = old[name]
        if weights_.is_float(value):
            noise = rng.standard_normal(value.shape, numpy.float32)
            new[name] = value + noise * numpy.float32(STEP * value.std())
    return new


def _adapter(value: numpy.ndarray, rng: numpy.random.Generator) -> numpy.ndarray:
    out, into = value.shape
    b = rng.standard_normal((out, RANK), numpy.float32) * numpy.float32(FACTOR)
    a = rng.standard_normal((RANK, into), numpy.float32) * numpy.float32(FACTOR)
    return numpy.float32(ALPHA / RANK) * (b @ a)
