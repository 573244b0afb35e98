"""Layers by the names of their tensors: a kernel, or the vectors of a norm."""
from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

# By the last part of a tensor's name.
KERNELS = ('weight', 'kernel', 'depthwise_kernel', 'W', 'w', 'weights', 'coefs')
_BIASES = ('bias', 'b', 'biases', 'intercepts', 'B')
_VECTORS = (
    'gamma', 'beta', 'scale', 'running_mean', 'running_var', 'moving_mean',
    'moving_variance',
)
_LEAF = re.compile(r'(?:(.*)[./])?([^./]+)', re.S)
_COUNTED = re.compile(r'([A-Za-z]+)_?([0-9]+)')         # W1, coefs_0
_DIGITS = re.compile(r'([0-9]+)')


class Layer(NamedTuple):
    """One layer; ``kernel`` is None for a norm, which has ``vectors`` only."""

    name: str
    kernel: str | None
    vectors: tuple[str, ...]

    @property
    def stack(self) -> str:
        """What those share that are counted on from it: ``features.``, ``fc``."""
        return _DIGITS.split(self.name)[0].rstrip('_')

    @property
    def parent(self) -> str:
        return re.split('[./](?=[^./]*$)', self.name)[0] if self.nested else ''

    @property
    def nested(self) -> bool:
        return '.' in self.name or '/' in self.name

    @property
    def number(self) -> str:
        """The digits at the end of its name, '' without any."""
        return self.name[len(self.name.rstrip('0123456789')):]

    @property
    def is_counted_only(self) -> bool:
        """Whether its own name is a number: an item of a sequence."""
        own = re.split('[./]', self.name)[-1]
        return own.isdecimal()


def natural(layer: Layer) -> tuple[Any, ...]:
    """Orders 2 before 10, and a name without a number before those with one."""
    parts = _DIGITS.split(layer.name)
    return tuple(int(part) if i % 2 else part for i, part in enumerate(parts))


def find(shapes: Mapping[str, tuple[int, ...]]) -> tuple[list[Layer], list[str]]:
    """The layers in natural order, and tensors of more than one element in none."""
    parts: dict[str, dict[str, list[str]]] = {}
    unknown = []
    for name, shape in shapes.items():
        layer, role = split(name, len(shape))
        if role:
            parts.setdefault(layer, {}).setdefault(role, []).append(name)
        elif any(size > 1 for size in shape):
            unknown.append(name)
    layers = []
    for layer, found in parts.items():
        kernels = found.get('kernel', [])
        if len(kernels) > 1:
            unknown += kernels
            continue
        vectors = tuple(sorted(found.get('vector', [])))
        layers.append(Layer(layer, kernels[0] if kernels else None, vectors))
    return sorted(layers, key=natural), unknown


def split(name: str, ndim: int) -> tuple[str, str]:
    """The layer of a tensor, and ``kernel`` or ``vector`` ('' where it is neither)."""
    plain = name.removesuffix(':0')
    leaf = _LEAF.fullmatch(plain)
    if leaf is None:
        return plain, ''
    parent, word = leaf[1] or '', leaf[2]
    for said, layer in _readings(parent, word):
        if said in KERNELS:
            return layer, 'kernel' if ndim > 1 else 'vector' if ndim == 1 else ''
        if said in _BIASES or said in _VECTORS:
            return layer, 'vector' if ndim == 1 else ''
    return plain, ''


def _readings(parent: str, word: str) -> Iterable[tuple[str, str]]:
    """Words that may say what a tensor is, with the layer it would be of."""
    yield word, parent
    if counted := _COUNTED.fullmatch(word):
        yield counted[1], f'{parent}{"." if parent else ""}{counted[2]}'
    for said in (*KERNELS, *_BIASES, *_VECTORS):
        head = word.removesuffix(f'_{said}')
        if head not in (word, 'recurrent'):
            yield said, f'{parent}{"." if parent else ""}{head}'
