"""Sums of products of thin matrices, and the nearest product of a given rank.

D = sum over i of c_i B_i A_i (m x n), which is never written out: the factors are
joined, [c_1 B_1, c_2 B_2, ...] and [A_1; A_2; ...], and all is done with their QR and
a core of as many rows as the ranks sum up to. Eckart, Young, Psychometrika 1 (1936)
211-218: cutting the singular values gives the nearest product of that rank.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from git_model_driver.core import exact
from git_model_driver.core.orthogonal import QR
from git_model_driver.core.orthogonal import right_vectors


class Term(NamedTuple):
    """coefficient * b @ a, with b (m x r) and a (r x n)."""

    coefficient: float
    b: Any
    a: Any


class Reduced(NamedTuple):
    """b (m x rank) and a (rank x n) in float64; error = |D - b a| / |D| (Frobenius)."""

    b: Any
    a: Any
    error: float


def joined(terms: Sequence[Term]) -> tuple[Any, Any]:
    """b and a in float64 with b @ a = D, of the sum of the terms' ranks."""
    import numpy

    b = [term.b.astype('float64') * term.coefficient for term in terms]
    return numpy.concatenate(b, 1), numpy.concatenate(
        [term.a.astype('float64') for term in terms],
    )


def truncated(terms: Sequence[Term], rank: int) -> Reduced:
    """The nearest product of that rank, its singular values shared out evenly.

    The largest element of each row of ``a`` is positive. Where D has a smaller rank
    the rest is zeros. D is met within a few 2^-53 of the largest product of norms.
    """
    import numpy

    b, a = joined(terms)
    left, right = QR(b), QR(a.T)
    core = exact.matmul(left.r, right.r.T)
    values, vectors = right_vectors(core)
    kept = values[:rank]
    root = numpy.sqrt(kept)
    vectors = vectors[:, :rank]
    scaled = exact.matmul(core, vectors) / numpy.where(root > 0, root, 1)
    new_b = numpy.zeros((len(b), rank))
    new_a = numpy.zeros((rank, a.shape[1]))
    new_b[:, :len(kept)] = left.expand(scaled)
    new_a[:len(kept)] = right.expand(vectors * root).T
    sign = _signs(new_a)
    return Reduced(new_b * sign, new_a * sign[:, None], _lost(values, rank))


def _signs(rows: Any) -> Any:
    """1 or -1 for each row, so that its largest element (the first) is positive."""
    import numpy

    at = numpy.abs(rows).argmax(axis=1)
    return numpy.where(rows[numpy.arange(len(rows)), at] < 0, -1.0, 1.0)


def _lost(values: Any, rank: int) -> float:
    squares = values * values
    total = float(exact.sums(squares))
    lost = squares.copy()
    lost[:rank] = 0
    return (float(exact.sums(lost)) / total) ** 0.5 if total else 0.0


def norm(terms: Sequence[Term]) -> float:
    """|D| (Frobenius)."""
    import numpy

    b, a = joined(terms)
    core = exact.matmul(QR(b).r, QR(a.T).r.T)
    return float(numpy.sqrt(exact.sums(exact.sums(core * core))))


def factorwise_error(terms: Sequence[Term]) -> float:
    """|B A - D| / |D| for B = sum c_i B_i and A = sum c_i A_i, with sum c_i = 1.

    B A - D = -1/2 sum over i, j of c_i c_j (B_i - B_j) (A_i - A_j): of second order
    in what the versions differ by, and for two means (B_1 - B_2)(A_1 - A_2) / 4.
    """
    crossed = [
        Term(one.coefficient * other.coefficient, _minus(one.b, other.b),
             _minus(one.a, other.a))
        for i, one in enumerate(terms) for other in terms[i + 1:]
    ]
    total = norm(terms)
    return norm(crossed) / total if total and crossed else 0.0


def _minus(one: Any, other: Any) -> Any:
    return one.astype('float64') - other.astype('float64')
