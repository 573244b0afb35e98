"""A model of any size, made on the spot: a safetensors file of F32 or BF16 tensors.

Everything follows from the seed and the size. Blocks of a million elements are in
memory.
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
from typing import BinaryIO
from typing import NamedTuple

import ml_dtypes
import numpy
from safetensors import safe_open

F32, BF16 = 'F32', 'BF16'
TYPES = {
    F32: numpy.dtype(numpy.float32), BF16: numpy.dtype(ml_dtypes.bfloat16),
    'F16': numpy.dtype(numpy.float16), 'I64': numpy.dtype(numpy.int64),
}
LAYERS = 9
SHARE = 0.05
_BLOCK = 1 << 20            # elements
_SIGMA = 0.02
_DRIFT = 1e-3 * _SIGMA      # of a tensor that was trained further


class Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    dtype: str = F32

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.elements * TYPES[self.dtype].itemsize


def tensors(nbytes: int, dtype: str = F32) -> list[Tensor]:
    """149 tensors of a small transformer, in the order safetensors writes them."""
    parameters = nbytes // TYPES[dtype].itemsize
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
    return [Tensor(name, shapes[name], dtype) for name in sorted(shapes)]


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

    def __init__(self, listed: list[Tensor]) -> None:
        self.tensors = listed
        self.header = header(listed)
        self.nbytes = len(self.header) + sum(t.nbytes for t in listed)

    def write(self, path: Path, seed: int = 0) -> None:
        rng = numpy.random.default_rng(seed)
        with open(path, 'wb') as file:
            file.write(self.header)
            for tensor in self.tensors:
                for count in _blocks(tensor.elements):
                    values = rng.standard_normal(count, numpy.float32)
                    values *= numpy.float32(_SIGMA)
                    file.write(_bytes(values, tensor.dtype))
        with safe_open(path, 'numpy') as file:
            assert len(file.keys()) == len(self.tensors)

    def pick(
        self, seed: int, without: Collection[str] = (), count: int | None = None,
    ) -> list[str]:
        """So many of the tensors (5 %) that hold about that share of the bytes."""
        rng = random.Random(seed)
        names = [t.name for t in self.tensors if t.name not in without]
        count = count or round(SHARE * len(self.tensors))
        wanted = count / len(self.tensors) * self.nbytes
        draws = [rng.sample(names, count) for _ in range(1000)]
        return sorted(min(draws, key=lambda draw: abs(self.size(draw) - wanted)))

    def size(self, names: Iterable[str]) -> int:
        wanted = set(names)
        return sum(t.nbytes for t in self.tensors if t.name in wanted)

    def train(self, path: Path, names: Collection[str], seed: int) -> None:
        """Change these tensors in place, a little, as further training does."""
        rng = numpy.random.default_rng(seed)
        at = len(self.header)
        with open(path, 'r+b') as file:
            for tensor in self.tensors:
                file.seek(at)
                if tensor.name in names:
                    _drift(file, tensor, rng)
                at += tensor.nbytes


def _drift(file: BinaryIO, tensor: Tensor, rng: numpy.random.Generator) -> None:
    """Move what is read from here on, where it is."""
    dtype = TYPES[tensor.dtype]
    for count in _blocks(tensor.elements):
        data = file.read(count * dtype.itemsize)
        values = rng.standard_normal(count, numpy.float32)
        values *= numpy.float32(_DRIFT)
        values += numpy.frombuffer(data, dtype)
        file.seek(-len(data), os.SEEK_CUR)
        file.write(_bytes(values, tensor.dtype))


def _bytes(values: numpy.ndarray, dtype: str) -> memoryview:
    return values.astype(TYPES[dtype], copy=False).view(numpy.uint8).data


def _blocks(count: int) -> Iterator[int]:
    for start in range(0, count, _BLOCK):
        yield min(_BLOCK, count - start)


def header(listed: Iterable[Tensor]) -> bytes:
    document: dict[str, object] = {'__metadata__': {'format': 'pt'}}
    at = 0
    for tensor in listed:
        end = at + tensor.nbytes
        document[tensor.name] = {
            'dtype': tensor.dtype, 'shape': tensor.shape, 'data_offsets': [at, end],
        }
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
