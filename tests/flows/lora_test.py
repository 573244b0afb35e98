"""Adapters are merged as products, through git."""
from __future__ import annotations

import json
from typing import Any

import numpy

from tests.testing.repository import Repo

M = 'adapter_model.safetensors'
A, B = 'q.lora_A.weight', 'q.lora_B.weight'


def factors(seed: int, rank: int = 4) -> dict[str, Any]:
    r = numpy.random.default_rng(seed)
    return {
        A: (r.normal(size=(rank, 24)) / 5).astype('f4'),
        B: (r.normal(size=(32, rank)) / 5).astype('f4'),
    }


def product(repo: Repo, scale: float = 2.0) -> Any:
    loaded = repo.load(M)
    return scale * numpy.array(loaded[B]) @ numpy.array(loaded[A])


def diverge(repo: Repo, *versions: dict[str, Any]) -> None:
    repo.write('adapter_config.json', json.dumps({'r': 4, 'lora_alpha': 8}))
    repo.diverge(*versions, name=M)


def delta(version: dict[str, Any]) -> Any:
    wide = {name: array.astype('f8') for name, array in version.items()}
    return 2.0 * wide[B] @ wide[A]


def test_a_merge_is_the_nearest_product_to_the_mean_of_the_products(repo: Repo) -> None:
    base, ours, theirs = (factors(seed) for seed in range(3))
    diverge(repo, base, ours, theirs)
    done = repo.run('git', 'merge', 'topic', '-m', 'merged')
    wanted = (delta(ours) + delta(theirs)) / 2
    u, s, v = numpy.linalg.svd(wanted)
    best = (u[:, :4] * s[:4]) @ v[:4]
    assert abs(product(repo) - best).max() < 1e-6
    assert [len(repo.load(M)[A]), len(repo.load(M)[B])] == [4, 32]
    lost = numpy.sqrt((s[4:] ** 2).sum() / (s ** 2).sum())
    assert f'{100 * lost:.2g}' in done.err, done.err


def test_the_same_adapter_in_another_gauge_is_itself(repo: Repo) -> None:
    base, ours = factors(0), factors(1)
    turn, _ = numpy.linalg.qr(numpy.random.default_rng(9).normal(size=(4, 4)))
    theirs = {
        A: (turn.T @ ours[A]).astype('f4'), B: (ours[B] @ turn).astype('f4'),
    }
    diverge(repo, base, ours, theirs)
    repo.git('merge', '-q', 'topic', '-m', 'merged')
    assert abs(product(repo) - delta(ours)).max() < 1e-5


def test_factors_changed_on_one_side_each_are_a_change_of_both(repo: Repo) -> None:
    base, other = factors(0), factors(1)
    diverge(repo, base, {A: other[A], B: base[B]}, {A: base[A], B: other[B]})
    repo.git('merge', '-q', 'topic', '-m', 'merged')
    ours, theirs = delta({A: other[A], B: base[B]}), delta({A: base[A], B: other[B]})
    u, s, v = numpy.linalg.svd((ours + theirs) / 2)
    assert abs(product(repo) - (u[:, :4] * s[:4]) @ v[:4]).max() < 1e-6


def test_both_directions_give_the_same_blob(repo: Repo) -> None:
    diverge(repo, *(factors(seed) for seed in range(3)))
    repo.git('branch', 'ours', 'main')
    repo.git('merge', '-q', 'topic', '-m', 'one')
    repo.git('checkout', '-q', 'topic')
    repo.git('merge', '-q', 'ours', '-m', 'other')
    assert repo.git('rev-parse', f'main:{M}') == repo.git('rev-parse', f'topic:{M}')
