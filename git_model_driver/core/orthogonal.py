"""QR and singular vectors in float64 without LAPACK: the same bits everywhere.

Householder reflections in compact WY form (Schreiber, Van Loan, SIAM J. Sci. Stat.
Comput. 10 (1989) 53-57) and one-sided Jacobi rotations in a round-robin order, after
a QR that leaves them little to do (Drmac, Veselic, SIAM J. Matrix Anal. Appl. 29
(2008) 1322-1362). Only + - * / sqrt, comparisons and ``exact``'s sums and products.
"""
from __future__ import annotations

from typing import Any

from git_model_driver.core import exact

_PANEL = 32             # columns that are reflected one by one
_SWEEPS = 40            # far more than are ever needed (5 to 10)
_TOLERANCE = 1e-14      # cosine of two columns that count as orthogonal
_NOISE = 2.0 ** -52     # norm of a column that counts as 0, of the largest one's


class QR:
    """X = Q R for a matrix of any shape and rank (m x n); k = min(m, n).

    ``r`` is k x n; Q is m x k with orthonormal columns, kept as reflections. The
    residual is a few units of 2^-53 |X|, whatever X's condition.
    """

    def __init__(self, matrix: Any) -> None:
        import numpy

        work = numpy.ascontiguousarray(matrix.T, dtype='float64').copy()
        n, self.rows = work.shape
        k = min(n, self.rows)
        self._panels: list[tuple[Any, Any]] = []
        for start in range(0, k, _PANEL):
            stop = min(start + _PANEL, k)
            vectors, scales = _reflect(work, start, stop)
            block = _block(vectors, scales)
            self._panels.append((vectors, block))
            if stop < n:
                work[stop:] = _reflected(work[stop:], vectors, block)
        self.r = numpy.triu(work.T[:k])

    def expand(self, matrix: Any) -> Any:
        """Q times a matrix of k rows."""
        import numpy

        work = numpy.zeros((matrix.shape[1], self.rows))
        work[:, :len(matrix)] = matrix.T
        for vectors, block in reversed(self._panels):
            work = _reflected(work, vectors, block.T)
        return work.T


def _reflect(work: Any, start: int, stop: int) -> tuple[Any, list[float]]:
    """Reflect columns (rows of ``work``) one by one: vectors v and scales tau.

    Each reflection is I - tau v v^T. Columns to the right of ``stop`` wait.
    """
    import numpy

    vectors = numpy.zeros((stop - start, work.shape[1]))
    scales = []
    for i, row in enumerate(range(start, stop)):
        vector = vectors[i]
        scale, end = _householder(work[row, row:], vector[row:])
        scales.append(scale)
        work[row, row] = end
        work[row, row + 1:] = 0
        if scale and row + 1 < stop:
            rest = work[row + 1:stop, row:]
            along = exact.sums(rest * vector[row:]) * scale
            rest -= along[:, None] * vector[row:]
    return vectors, scales


def _householder(column: Any, vector: Any) -> tuple[float, float]:
    """Fill ``vector`` so that the column becomes (end, 0, ...); returns tau, end."""
    import numpy

    largest = float(numpy.abs(column).max())
    if not largest:
        return 0.0, 0.0
    vector[:] = column / largest
    norm = float(numpy.sqrt(exact.sums(vector * vector)))
    first = float(vector[0])
    end = -norm if first >= 0 else norm
    vector[0] = 1.0
    vector[1:] /= first - end
    return (end - first) / end, end * largest


def _block(vectors: Any, scales: list[float]) -> Any:
    """T of the product of reflections, I - V T V^T; T is upper triangular."""
    import numpy

    gram = exact.matmul(vectors, vectors.T)
    block = numpy.zeros(gram.shape)
    for i, scale in enumerate(scales):
        block[i, i] = scale
        if i:
            block[:i, i] = -scale * exact.sums(block[:i, :i] * gram[:i, i])
    return block


def _reflected(rows: Any, vectors: Any, block: Any) -> Any:
    """Rows x, as columns, by (I - V T V^T)^T: x - x V T V^T."""
    along = exact.matmul(rows, vectors.T)
    return rows - exact.matmul(exact.matmul(along, block), vectors)


def right_vectors(matrix: Any) -> tuple[Any, Any]:
    """Singular values, largest first, and right singular vectors as columns.

    For an m x n matrix k = min(m, n) of each. The vectors of values that are but
    noise beside the largest are zeros.
    """
    import numpy

    n = matrix.shape[1]
    norms = exact.sums((matrix * matrix).T)
    order = numpy.argsort(-norms, kind='stable')
    triangle = QR(matrix[:, order]).r
    columns = _orthogonalised(triangle)
    values = numpy.sqrt(exact.sums(columns * columns))
    largest = numpy.argsort(-values, kind='stable')[:len(triangle)]
    values, columns = values[largest], columns[largest]
    seen = values > values.max(initial=0.0) * _NOISE
    vectors = numpy.zeros((n, len(values)))
    vectors[order] = (columns / numpy.where(seen, values, 1)[:, None] * seen[:, None]).T
    return values * seen, vectors


def _orthogonalised(rows: Any) -> Any:
    """Rotate pairs of rows until all are orthogonal; a row of zeros may be added."""
    import numpy

    count = len(rows)
    half = (count + 1) // 2
    even = numpy.zeros((2 * half, rows.shape[1]))
    even[:count] = rows
    top, bottom = even[:half].copy(), even[half:].copy()
    for _ in range(_SWEEPS):
        norms = exact.sums(top * top), exact.sums(bottom * bottom)
        least = max(part.max(initial=0.0) for part in norms) * _NOISE * _NOISE
        rotated = 0
        for _ in range(2 * half - 1):
            rotated += _rotate(top, bottom, norms, least)
            top, bottom = _next_round(top, bottom)
            norms = _next_round(*norms)
        if not rotated:
            break
    return numpy.concatenate([top, bottom])


def _next_round(top: Any, bottom: Any) -> tuple[Any, Any]:
    """The first stays, the others move on one place: everyone meets everyone."""
    import numpy

    if len(top) == 1:
        return top, bottom
    return (
        numpy.concatenate([top[:1], bottom[:1], top[1:-1]]),
        numpy.concatenate([bottom[1:], top[-1:]]),
    )


def _rotate(top: Any, bottom: Any, norms: tuple[Any, Any], least: float) -> int:
    """Make each row of ``top`` orthogonal to that of ``bottom``; how many were not.

    ``norms`` are their squared norms and are kept up to date.
    """
    import numpy

    product = exact.sums(top * bottom)
    one, other = norms
    needed = (one > least) & (other > least)
    bound = _TOLERANCE * numpy.sqrt(one * other)
    at = numpy.flatnonzero(needed & (numpy.abs(product) > bound))
    if not len(at):
        return 0
    product = product[at]
    ratio = (other[at] - one[at]) / (product * 2)
    tangent = numpy.where(ratio < 0, -1.0, 1.0) / (
        numpy.abs(ratio) + numpy.sqrt(ratio * ratio + 1)
    )
    cosine = 1 / numpy.sqrt(tangent * tangent + 1)
    sine = (cosine * tangent)[:, None]
    cosine = cosine[:, None]
    p, q = top[at], bottom[at]
    top[at] = p * cosine - q * sine
    bottom[at] = p * sine + q * cosine
    one[at] -= tangent * product
    other[at] += tangent * product
    return len(at)
