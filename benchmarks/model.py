"""A model of any size, made on the spot: a safetensors file of float32 tensors.

Everything follows from the seed and the size. Blocks of 4 MB are in memory.
"""
from __future__ import annotations

import hashlib
import json
import math
import os
import random
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy
from safetensors import safe_open

LAYERS = 9
SHARE = 0.05
_BLOCK = 1 << 20            # elements
_SIGMA = 0.02
_DRIFT = 1e-3 * _SIGMA      # of a tensor that was trained further


class Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def tensors(nbytes: int) -> list[Tensor]:
    """149 tensors of a small transformer, in the order safetensors writes them."""
    parameters = nbytes // 4
    width = max(8, int(math.sqrt(parameters / (LAYERS * 12 + 32))) // 8 * 8)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(LAYERS):
        shapes.update(_layer(f'model.layers.{layer}', width))
    for name in ('weight', 'bias'):
        shapes[f'model.norm.{name}'] = (width,)
    shapes['model.embed_positions.weight'] = (1024, width)
    left = parameters - sum(map(math.prod, shapes.values()))
    words = max(16, left // (2 * width))
    shapes['model.embed_tokens.weight'] = (words, width)
    shapes['lm_head.weight'] = (words, width)
    return [Tensor(name, shapes[name]) for name in sorted(shapes)]


def _layer(prefix: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name in 'qkvo':
        yield f'{prefix}.self_attn.{name}_proj.weight', (width, width)
        yield f'{prefix}.self_attn.{name}_proj.bias', (width,)
    for name, out, into in (('fc1', 4 * width, width), ('fc2', width, 4 * width)):
        yield f'{prefix}.{name}.weight', (out, into)
        yield f'{prefix}.{name}.bias', (out,)
    for name in ('self_attn_layer_norm', 'final_layer_norm'):
        yield f'{prefix}.{name}.weight', (width,)
        yield f'{prefix}.{name}.bias', (width,)


class Model:
    """What is in the file, and how to change part of it."""

    def __init__(self, nbytes: int) -> None:
        self.tensors = tensors(nbytes)
        self.header = _header(self.tensors)
        self.nbytes = len(self.header) + 4 * sum(t.elements for t in self.tensors)

    def write(self, path: Path, seed: int = 0) -> None:
        rng = numpy.random.default_rng(seed)
        with open(path, 'wb') as file:
            file.write(self.header)
            for tensor in self.tensors:
                for count in _blocks(tensor.elements):
                    values = rng.standard_normal(count, numpy.float32)
                    file.write((values * numpy.float32(_SIGMA)).data)
        with safe_open(path, 'numpy') as file:
            assert len(file.keys()) == len(self.tensors)

    def pick(self, seed: int, without: Collection[str] = ()) -> list[str]:
        """5 % of the tensors that hold about 5 % of the bytes."""
        rng = random.Random(seed)
        names = [t.name for t in self.tensors if t.name not in without]
        wanted = SHARE * self.nbytes
        draws = [rng.sample(names, round(SHARE * len(self.tensors)))
                 for _ in range(1000)]
        return sorted(min(draws, key=lambda draw: abs(self.size(draw) - wanted)))

    def size(self, names: Iterable[str]) -> int:
        wanted = set(names)
        return 4 * sum(t.elements for t in self.tensors if t.name in wanted)

    def train(self, path: Path, names: Collection[str], seed: int) -> None:
        """Change these tensors in place, a little, as further training does."""
        rng = numpy.random.default_rng(seed)
        at = len(self.header)
        with open(path, 'r+b') as file:
            for tensor in self.tensors:
                file.seek(at)
                for count in _blocks(tensor.elements if tensor.name in names else 0):
                    old = numpy.frombuffer(file.read(4 * count), numpy.float32)
                    drift = rng.standard_normal(count, numpy.float32)
                    file.seek(-4 * count, os.SEEK_CUR)
                    file.write((old + drift * numpy.float32(_DRIFT)).data)
                at += 4 * tensor.elements


def _blocks(count: int) -> Iterator[int]:
    for start in range(0, count, _BLOCK):
        yield min(_BLOCK, count - start)


def _header(listed: list[Tensor]) -> bytes:
    document: dict[str, object] = {'__metadata__': {'format': 'pt'}}
    at = 0
    for name, shape in listed:
        end = at + 4 * math.prod(shape)
        document[name] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [at, end]}
        at = end
    text = json.dumps(document, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    return len(text).to_bytes(8, 'little') + text


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb', buffering=0) as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()
