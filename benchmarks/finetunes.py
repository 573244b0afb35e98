"""A base and what was fine-tuned from it: how small each tool keeps the second."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from typing import NamedTuple

import commits
import numpy
import peers
import weights as weights_
from measure import size_of
from tools import OURS
from weights import Weights

WHOLE, ENCODER = 'whole model', 'encoder'
TUNES = ('AdamW, 5e-5', 'AdamW, 1e-5', 'LoRA r=8, trained', 'IA3')
_IA3 = ('self.key.weight', 'self.value.weight', 'intermediate.dense.weight')
_IA3_SIGMA = 0.05
Record = dict[str, Any]


class Pair(NamedTuple):
    base: Weights
    tuned: Weights

    def part(self, part: str) -> Pair:
        if part == WHOLE:
            return self
        return Pair(*({n: v for n, v in weights.items() if n.startswith('encoder.')}
                      for weights in self))

    @property
    def changed(self) -> list[str]:
        return [name for name in self.tuned
                if self.tuned[name].tobytes() != self.base[name].tobytes()]

    @property
    def unchanged_share(self) -> float:
        """Of the elements of the tensors that changed."""
        names = self.changed
        same = sum(int((self.tuned[n] == self.base[n]).sum()) for n in names)
        return same / sum(self.tuned[n].size for n in names)


def pairs(base: Weights, dtype: str, trained: bool) -> Iterator[tuple[str, Pair]]:
    """By what was done; without torch (``trained`` is false) only what needs none."""
    old = weights_.rounded(base, dtype)
    for name in TUNES if trained else ('IA3',):
        yield name, Pair(old, _TUNERS[name](old, dtype))


def _full(rate: float) -> Callable[[Weights, str], Weights]:
    def tune(old: Weights, dtype: str) -> Weights:
        import training

        return weights_.rounded(training.fine_tuned(rate), dtype)
    return tune


def _lora(old: Weights, dtype: str) -> Weights:
    import training

    return training.merged(old, training.lora_factors())


def _ia3(old: Weights, dtype: str) -> Weights:
    """Keys, values and the wide layer scaled row by row, in their own dtype."""
    rng = numpy.random.default_rng(0)
    new = dict(old)
    for name, value in old.items():
        if name.endswith(_IA3):
            scales = 1 + _IA3_SIGMA * rng.standard_normal(
                (value.shape[0], 1), numpy.float32)
            new[name] = (value * scales).astype(value.dtype)
    return new


_TUNERS: dict[str, Callable[[Weights, str], Weights]] = {
    'AdamW, 5e-5': _full(5e-5), 'AdamW, 1e-5': _full(1e-5),
    'LoRA r=8, trained': _lora, 'IA3': _ia3,
}


def measured(pair: Pair, dtype: str, others: bool, scratch: Path | None) -> Record:
    """Raw bytes, and stored bytes by tool: alone, and of what changed."""
    names = pair.changed
    record = {
        'raw': weights_.nbytes(pair.tuned),
        'changed': weights_.nbytes(pair.tuned, names),
        'same': pair.unchanged_share, **_ours(pair, scratch),
    }
    if others:
        record['zipnn'] = peers.zipnn_size(pair.tuned, dtype)
        record['bitx'] = peers.bitx_size(pair.base, pair.tuned, names)
    return record


def _ours(pair: Pair, scratch: Path | None) -> Record:
    with TemporaryDirectory(dir=scratch, prefix='pair-') as folder:
        paths = [Path(folder) / f'{name}.safetensors' for name in ('base', 'tuned')]
        for weights, path in zip(pair, paths):
            weights_.write(weights, path)
        with commits.repository(OURS, scratch) as repo:
            alone = commits.commit_all(repo, paths[1:])
            objects = size_of(repo.objects)
        with commits.repository(OURS, scratch) as repo:
            store = repo.objects.parent
            commits.commit_all(repo, paths[:1])
            before = size_of(store)
            added = commits.commit_all(repo, paths[1:])
            record = {
                'alone': objects, 'alone cpu': alone['add cpu'],
                'delta': size_of(store) - before, 'delta cpu': added['add cpu'],
                'wrong': commits.wrong(repo, paths),
            }
            if commits.collect(repo, 0):
                record['delta gc'] = size_of(store) - before
            repo.git('model', 'fsck')
        return record
