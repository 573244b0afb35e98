"""MiniLM trained further for real: AdamW, contrastive, on the library's docstrings.

The first line of a docstring and what follows it are a pair, the rest of the batch
is not, under dropout. What was trained is kept in .cache.
"""
from __future__ import annotations

import ast
import random
import sysconfig
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import bert
import numpy
import sequences
import torch
import weights as weights_
from torch import Tensor
from torch.nn import functional
from weights import Weights

CACHE = Path(__file__).with_name('.cache')
STEPS, BATCH = 40, 8
DROPOUT, TEMPERATURE, LORA_RATE = 0.1, 0.05, 2e-4
LINEAR = ('query', 'key', 'value', 'dense')


def fine_tuned(rate: float) -> Weights:
    """All weights, with a learning rate that falls to nothing."""
    return _cached(f'full-{rate:g}-{STEPS}', lambda: _fine_tune(rate))


def lora_factors() -> Weights:
    """A and B of rank 8 for every linear layer of the encoder."""
    return _cached(f'lora-{LORA_RATE:g}-{STEPS}', _train_lora)


def merged(weights: Weights, factors: Weights) -> Weights:
    """The adapter added to the weights in their own dtype, as PEFT merges it."""
    new = dict(weights)
    for name in factors:
        if name.endswith('.A'):
            target = name.removesuffix('.A')
            scale = numpy.float32(sequences.ALPHA / sequences.RANK)
            delta = scale * (factors[f'{target}.B'] @ factors[name])
            new[target] = weights[target] + delta.astype(weights[target].dtype)
    return new


def _cached(name: str, make: Callable[[], Weights]) -> Weights:
    from safetensors.numpy import load_file
    from safetensors.numpy import save_file

    path = CACHE / f'{name}.safetensors'
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        save_file(make(), path)
    return load_file(path)


def _fine_tune(rate: float) -> Weights:
    base = weights_.minilm()
    parameters = _parameters(base)
    trained = [p.requires_grad_() for p in parameters.values()]
    _train(trained, lambda: parameters, rate)
    return base | {n: p.detach().numpy() for n, p in parameters.items()}


def _train_lora() -> Weights:
    torch.manual_seed(1)
    parameters = _parameters(weights_.minilm())
    factors = {}
    for name in _linear(parameters):
        out, into = parameters[name].shape
        factors[f'{name}.A'] = torch.randn(sequences.RANK, into) / into ** 0.5
        factors[f'{name}.B'] = torch.zeros(out, sequences.RANK)
    for factor in factors.values():
        factor.requires_grad_()

    def current() -> bert.Parameters:
        scale = sequences.ALPHA / sequences.RANK
        return parameters | {
            name: parameters[name]
            + scale * (factors[f'{name}.B'] @ factors[f'{name}.A'])
            for name in _linear(parameters)
        }
    _train(list(factors.values()), current, LORA_RATE)
    return {name: f.detach().numpy() for name, f in factors.items()}


def _train(
    trained: list[Tensor], current: Callable[[], bert.Parameters],
    rate: float,
) -> None:
    torch.set_num_threads(1)    # threads that wait for one another spin
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, STEPS)
    words = bert.Words(weights_.minilm_folder() / 'vocab.txt')
    for pairs in _batches():
        one, two = (
            bert.embed(current(), *words.batch(texts), DROPOUT)
            for texts in zip(*pairs)
        )
        loss = functional.cross_entropy(one @ two.T / TEMPERATURE, torch.arange(BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _parameters(weights: Weights) -> bert.Parameters:
    floats = {n: v for n, v in weights.items() if weights_.is_float(v)}
    return {n: torch.from_numpy(numpy.array(v)) for n, v in floats.items()}


def _linear(parameters: bert.Parameters) -> list[str]:
    return [
        name for name in parameters if name.startswith('encoder.')
        and name.endswith('.weight') and name.split('.')[-2] in LINEAR
    ]


def _batches() -> Iterator[list[tuple[str, str]]]:
    pairs = sorted(set(_docstrings()))
    chosen = random.Random(0)
    for _ in range(STEPS):
        yield chosen.sample(pairs, BATCH)


def _docstrings() -> Iterator[tuple[str, str]]:
    """First line and the rest, where there is one."""
    for path in sorted(Path(sysconfig.get_path('stdlib')).glob('*.py')):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                first, _, rest = (ast.get_docstring(node) or '').partition('\n')
                if len(rest) > 40:
                    yield first, rest.strip()
