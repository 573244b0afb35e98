"""Products and orthogonal matrices that are the same bits on every machine."""
from __future__ import annotations

import math
import os
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core import exact
from git_model_driver.core import orthogonal
from tests.testing.properties import PROPERTY


def normal(*shape: int, seed: int = 0) -> Any:
    return numpy.random.default_rng(seed).standard_normal(shape)


@PROPERTY
@given(st.data())
def test_whole_numbers_are_multiplied_exactly(data: Any) -> None:
    m, k, n = (data.draw(st.integers(0, 5)) for _ in range(3))
    whole = st.integers(-2 ** 20, 2 ** 20)
    a = [[data.draw(whole) for _ in range(k)] for _ in range(m)]
    b = [[data.draw(whole) for _ in range(n)] for _ in range(k)]
    wanted = [[sum(a[i][x] * b[x][j] for x in range(k)) for j in range(n)]
              for i in range(m)]
    found = exact.matmul(numpy.array(a, 'f8').reshape(m, k),
                         numpy.array(b, 'f8').reshape(k, n))
    assert found.tolist() == wanted
    assert not numpy.signbit(found[found == 0]).any()


@pytest.mark.parametrize('length', [1, 2, 3, 1000, 1 << 16, (1 << 16) + 3])
def test_products_are_off_by_no_more_than_the_bound(length: int) -> None:
    a, b = normal(3, length), normal(length, 2, seed=1)
    a[0] *= 1e-200
    b[:, 1] *= 2.0 ** 300
    found = exact.matmul(a, b)
    for i in range(3):
        for j in range(2):
            wanted = sum(Fraction(x) * Fraction(y) for x, y in zip(a[i], b[:, j]))
            bound = 4 * length * 2.0 ** -54 * abs(a[i]).max() * abs(b[:, j]).max()
            assert abs(Fraction(float(found[i, j])) - wanted) <= bound


@pytest.mark.parametrize('size', [0, 1, 2, 3, 7, 8, 1000])
def test_sums_over_the_last_axis(size: int) -> None:
    values = normal(4, size)
    wanted = [math.fsum(row) for row in values]
    assert numpy.allclose(exact.sums(values), wanted, rtol=0, atol=1e-13 * (size + 1))


SHAPES = [(1, 1), (5, 3), (3, 5), (200, 40), (40, 200), (100, 33), (64, 64)]


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('rank', [0, 1, 2, 1000])
def test_qr_of_any_shape_and_rank(shape: tuple[int, int], rank: int) -> None:
    rank = min(rank, *shape)
    matrix = normal(shape[0], rank) @ normal(rank, shape[1], seed=1)
    factor = orthogonal.QR(matrix)
    k = min(shape)
    q = factor.expand(numpy.eye(k))
    assert factor.r.shape == (k, shape[1])
    assert not numpy.tril(factor.r, -1).any()
    assert abs(q @ factor.r - matrix).max() <= 1e-14 * max(1, numpy.linalg.norm(matrix))
    assert abs(q.T @ q - numpy.eye(k)).max() <= 1e-14


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('decades', [0, 3, 12])
def test_singular_values_and_vectors_are_lapacks(
    shape: tuple[int, int], decades: int,
) -> None:
    matrix = normal(*shape) * numpy.logspace(0, -decades, shape[1])
    values, vectors = orthogonal.right_vectors(matrix)
    wanted = numpy.linalg.svd(matrix, compute_uv=False)
    k = min(shape)
    assert abs(values - wanted).max() <= 1e-13 * wanted[0]
    assert abs(vectors.T @ vectors - numpy.eye(k)).max() <= 1e-12
    moved = matrix @ vectors
    assert abs(numpy.sqrt((moved * moved).sum(0)) - values).max() <= 1e-13 * wanted[0]


def test_what_is_only_noise_has_no_vectors() -> None:
    matrix = normal(30, 2) @ normal(2, 20, seed=1)
    values, vectors = orthogonal.right_vectors(matrix)
    wanted = numpy.linalg.svd(matrix, compute_uv=False)
    assert numpy.allclose(values[:2], wanted[:2], rtol=1e-13, atol=0)
    assert (values[2:] <= 1e-14 * values[0]).all()
    kept = vectors[:, :2]
    assert abs(kept.T @ kept - numpy.eye(2)).max() <= 1e-13
    zeros = orthogonal.right_vectors(numpy.zeros((3, 2)))
    assert not zeros[0].any() and not zeros[1].any()


_PROGRAM = """
import hashlib, numpy
from git_model_driver.core import exact, orthogonal
a = numpy.random.Generator(numpy.random.PCG64(1)).random((300, 70)) - 0.5
q = orthogonal.QR(a)
values, vectors = orthogonal.right_vectors(q.r)
digest = hashlib.sha256()
for found in (exact.matmul(a.T, a), q.r, q.expand(q.r), values, vectors):
    digest.update(numpy.ascontiguousarray(found).tobytes())
print(digest.hexdigest())
"""


def test_bits_do_not_depend_on_the_processor_or_threads() -> None:
    settings = (
        {}, {'OPENBLAS_NUM_THREADS': '1'}, {'OPENBLAS_CORETYPE': 'Prescott'},
        {'OPENBLAS_CORETYPE': 'Haswell', 'NPY_DISABLE_CPU_FEATURES': 'X86_V4'},
        {'NPY_DISABLE_CPU_FEATURES': 'X86_V3 X86_V4'},
    )
    found = {
        subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', _PROGRAM], check=True,
            capture_output=True, text=True, env={**os.environ, **extra},
        ).stdout
        for extra in settings
    }
    assert len(found) == 1 and len(found.pop()) == 65
