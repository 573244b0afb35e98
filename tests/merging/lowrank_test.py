"""Products of thin matrices: what LAPACK says of the whole matrix is the measure."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import pytest

from git_model_driver.merging import lowrank
from git_model_driver.merging.lowrank import Term


def normal(*shape: int, seed: int = 0) -> Any:
    return numpy.random.default_rng(seed).standard_normal(shape).astype('f4')


def term(factor: float, rank: int, seed: int, m: int = 40, n: int = 30) -> Term:
    return Term(factor, normal(m, rank, seed=seed), normal(rank, n, seed=seed + 99))


def whole(terms: Sequence[Term]) -> Any:
    return sum(t.coefficient * (t.b.astype('f8') @ t.a.astype('f8')) for t in terms)


CASES = {
    'two': [term(0.5, 4, 1), term(0.5, 4, 2)],
    'three': [term(1, 3, 1), term(1, 4, 2), term(-1, 5, 3)],
    'more than rows': [term(1, 20, 1, 12, 30), term(2, 25, 2, 12, 30)],
    'one row': [term(1, 2, 1, 1, 30), term(2, 2, 2, 1, 30)],
    'zeros': [term(0, 4, 1), Term(1, numpy.zeros((40, 4), 'f4'), normal(4, 30))],
}


@pytest.mark.parametrize('terms', CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize('rank', [1, 4, 9])
def test_the_nearest_product_of_a_rank_is_that_of_the_svd(
    terms: list[Term], rank: int,
) -> None:
    wanted = whole(terms)
    u, s, v = numpy.linalg.svd(wanted, full_matrices=False)
    nearest = (u[:, :rank] * s[:rank]) @ v[:rank]
    found = lowrank.truncated(terms, rank)
    assert (found.b.shape, found.a.shape) == (
        (len(wanted), rank), (rank, wanted.shape[1]),
    )
    assert abs(found.b @ found.a - nearest).max() <= 1e-12 * max(1, s[0])
    lost = numpy.linalg.norm(s[rank:]) / max(numpy.linalg.norm(s), 1e-300)
    assert found.error == pytest.approx(lost, abs=1e-14)


def test_values_are_shared_out_evenly_and_signs_are_fixed() -> None:
    terms = CASES['two']
    found = lowrank.truncated(terms, 3)
    values = numpy.linalg.svd(whole(terms), compute_uv=False)[:3]
    for gram in (found.b.T @ found.b, found.a @ found.a.T):
        assert abs(gram - numpy.diag(values)).max() <= 1e-12 * values[0]
    largest = numpy.abs(found.a).argmax(1)
    assert (found.a[numpy.arange(3), largest] > 0).all()


def test_a_rotated_gauge_is_the_same_adapter() -> None:
    one = term(0.5, 8, 5, 200, 150)
    rotation = numpy.linalg.qr(normal(8, 8, seed=7).astype('f8'))[0]
    turned = (one.b @ rotation).astype('f4'), (rotation.T @ one.a).astype('f4')
    other = Term(0.5, *turned)
    found = lowrank.truncated([one, other], 8)
    wanted = one.b.astype('f8') @ one.a.astype('f8')
    off = numpy.linalg.norm(found.b @ found.a - wanted) / numpy.linalg.norm(wanted)
    assert found.error < 2e-7 and off < 2e-7
    by_factors = lowrank.factorwise_error([one, other])
    mean = (one.b + other.b) @ (one.a + other.a) / 4
    assert by_factors == pytest.approx(
        numpy.linalg.norm(mean - wanted) / numpy.linalg.norm(wanted), rel=1e-5,
    )
    assert by_factors > 0.1


def test_what_cancels_leaves_what_is_left() -> None:
    small, large = term(1, 2, 1), term(1, 4, 2)
    rest = [large, small, large._replace(coefficient=-1)]
    found = lowrank.truncated(rest, 2)
    wanted = whole([small])
    assert abs(found.b @ found.a - wanted).max() <= 1e-12
    assert found.error <= 1e-13


@pytest.mark.parametrize('factors', [
    (0.5, 0.5), (0.3, 0.7), (1, 1, -1), (2, -0.5, -0.5),
])
def test_the_error_of_merging_factors_is_known(factors: tuple[float, ...]) -> None:
    terms = [term(factor, 4, seed) for seed, factor in enumerate(factors)]
    b = sum(t.coefficient * t.b.astype('f8') for t in terms)
    a = sum(t.coefficient * t.a.astype('f8') for t in terms)
    wanted = whole(terms)
    assert lowrank.norm(terms) == pytest.approx(numpy.linalg.norm(wanted), rel=1e-12)
    off = numpy.linalg.norm(b @ a - wanted) / numpy.linalg.norm(wanted)
    assert lowrank.factorwise_error(terms) == pytest.approx(off, rel=1e-6)


def test_joined_is_the_sum_itself() -> None:
    terms = CASES['three']
    b, a = lowrank.joined(terms)
    assert (b.shape, a.shape) == ((40, 12), (12, 30))
    assert abs(b @ a - whole(terms)).max() <= 1e-13
