"""Codes and scales are one thing, through git."""
from __future__ import annotations

from typing import Any

import numpy
import pytest

from tests.testing.repository import Repo

M = 'm.safetensors'
W, S = 'q.weight', 'q.weight_scale'


def quantised(values: Any) -> dict[str, Any]:
    scale = (abs(values).max(axis=1, keepdims=True) / 127).astype('f4')
    return {W: numpy.rint(values / scale).astype('i1'), S: scale}


def weights(seed: int) -> Any:
    return numpy.random.default_rng(seed).normal(size=(6, 40)).astype('f4')


def real(version: dict[str, Any]) -> Any:
    return version[W].astype('f4') * version[S]


def loaded(repo: Repo) -> Any:
    found = repo.load(M)
    return numpy.array(found[W], 'f4') * numpy.array(found[S], 'f4')


def test_int8_rows_are_merged_as_what_they_stand_for(repo: Repo) -> None:
    base, ours, theirs = (quantised(weights(seed)) for seed in range(3))
    repo.diverge(base, ours, theirs)
    repo.git('merge', '-q', 'topic', '-m', 'merged')
    mean = (real(ours) + real(theirs)) / 2
    step = abs(mean).max(axis=1, keepdims=True) / 127
    assert (abs(loaded(repo) - mean) <= step * 0.51).all()


def test_one_side_is_taken_with_its_scales(repo: Repo) -> None:
    base, theirs = quantised(weights(0)), quantised(weights(2))
    other = {'x': numpy.ones(3, 'f4')}
    repo.diverge({**base, 'x': [0.0]}, {**base, **other}, {**theirs, 'x': [0.0]})
    repo.git('merge', '-q', 'topic', '-m', 'merged')
    assert (loaded(repo) == real(theirs)).all()


@pytest.mark.parametrize('operation', ['merge', 'rebase'])
def test_codes_of_one_side_never_meet_scales_of_the_other(
    repo: Repo, operation: str,
) -> None:
    base, other = quantised(weights(0)), quantised(weights(1))
    ours = {W: other[W], S: base[S]}
    theirs = {W: base[W], S: other[S]}
    repo.diverge(base, ours, theirs)
    if operation == 'rebase':
        repo.git('checkout', '-q', 'topic')
    done = repo.run('git', operation, *(
        ['topic', '-m', 'm'] if operation == 'merge' else ['main']), code=None)
    if done.code == 0:
        change = real(ours) - real(base)
        wanted = (real(ours) + real(theirs)) / 2 if operation == 'merge' else (
            real(theirs) + change)
        step = abs(wanted).max(axis=1, keepdims=True) / 127
        assert (abs(loaded(repo) - wanted) <= step * 0.51).all()
    else:
        assert 'q.weight: ' in done.err


def test_calibrated_codes_are_a_conflict(repo: Repo) -> None:
    def version(seed: int) -> dict[str, Any]:
        r = numpy.random.default_rng(seed)
        return {
            'q.qweight': r.integers(-9, 9, (4, 8), 'i4'),
            'q.qzeros': r.integers(0, 9, (1, 8), 'i4'),
            'q.scales': r.random((1, 8)).astype('f2'),
            'q.g_idx': numpy.zeros(32, 'i4'),
        }

    repo.diverge(*(version(seed) for seed in range(3)))
    done = repo.run('git', 'merge', 'topic', code=1)
    assert 'q.qweight: ' in done.err and 'q.scales: ' in done.err
