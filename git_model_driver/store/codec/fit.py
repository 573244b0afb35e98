"""Finding the update that made a matrix of its base, if there was one.

The factors are stored, so any that predict well will do: BLAS and LAPACK may be
used here. A sample of rows tells at little cost that there is nothing to find.
"""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

from git_model_driver.store.codec import sampling
from git_model_driver.store.codec.form import FLOAT
from git_model_driver.store.codec.form import Form
from git_model_driver.store.codec.update import COLUMNS
from git_model_driver.store.codec.update import LOW_RANK
from git_model_driver.store.codec.update import MOST_ROW
from git_model_driver.store.codec.update import ROWS
from git_model_driver.store.codec.update import Matrix
from git_model_driver.store.codec.update import Update
from git_model_driver.store.codec.update import widened

Read = Callable[[int, int], 'bytes | bytearray']   # from this byte on, so many

_LEAST = 32             # rows and columns
_SAMPLE_ROWS = 64
_SAMPLE_COLUMNS = 4096
_BLOCK = 1 << 20        # bytes
_GAP = 2.0              # between singular values, in a sample and in the whole
_LEFT = 0.25            # of the change's squares at most, beyond the rank: a bit saved
_SCALED = 0.3           # of the change at most may be left where it is a scaling
_MOST_SAMPLE_RANK = 40
_NOISE = 1e-7           # of the largest singular value: what float64 cannot tell
_MORE = 10              # columns beyond the rank of a randomised SVD
_WORTH = 0.9            # of the size without


class Pair(NamedTuple):
    """A matrix and its base, read in blocks of rows."""

    matrix: Matrix
    new: Read
    old: Read

    def rows(self, rows: range) -> tuple[Any, Any]:
        """Rows as unsigned integers, shape (len(rows), columns)."""
        import numpy

        length = self.matrix.columns * self.matrix.width
        return tuple(       # type: ignore[return-value]
            numpy.frombuffer(
                read(rows.start * length, len(rows) * length), f'<u{self.matrix.width}',
            ).reshape(len(rows), self.matrix.columns)
            for read in (self.new, self.old)
        )

    def blocks(self) -> Iterator[tuple[slice, Any, Any]]:
        """Which rows, and those of both as float64."""
        step = max(1, _BLOCK // (self.matrix.columns * self.matrix.width))
        for first in range(0, self.matrix.rows, step):
            rows = range(first, min(first + step, self.matrix.rows))
            new, old = (widened(x, self.matrix.dtype) for x in self.rows(rows))
            yield slice(rows.start, rows.stop), new, old

    def sample(self) -> range:
        """Rows in the middle: within a chunk or two."""
        count = min(_SAMPLE_ROWS, self.matrix.rows)
        first = (self.matrix.rows - count) // 2
        return range(first, first + count)


def fit(matrix: Matrix, new: Read, old: Read) -> Update | None:
    """The update, or None where it would not save enough."""
    import numpy

    if min(matrix.rows, matrix.columns) < _LEAST:
        return None
    if matrix.columns * matrix.width > MOST_ROW:
        return None
    pair = Pair(matrix, new, old)
    with numpy.errstate(all='ignore'):
        update = _fitted(pair)
        if update is None or not all(
            numpy.isfinite(part).all() for part in (update.left, update.right)
        ):
            return None
        return _better(pair, update)


def _fitted(pair: Pair) -> Update | None:
    new, old = (
        widened(x[:, :_SAMPLE_COLUMNS], pair.matrix.dtype)
        for x in pair.rows(pair.sample())
    )
    change = new - old
    total = float((change * change).sum())
    if not 0 < total < float('inf'):
        return None
    for axis, kind in ((1, ROWS), (0, COLUMNS)):
        left = new - _ratio(new, old, axis) * old
        if (left * left).sum() < _SCALED ** 2 * total:
            return _scaling(pair, kind)
    rank = _rank_of(change)
    return _low_rank(pair, rank) if rank else None


def _ratio(new: Any, old: Any, axis: int) -> Any:
    """The least-squares scale of each row (axis 1) or column (axis 0)."""
    return _divided(
        (new * old).sum(axis, keepdims=True), (old * old).sum(axis, keepdims=True),
    )


def _divided(one: Any, other: Any) -> Any:
    import numpy

    return numpy.divide(one, other, out=numpy.ones_like(one), where=other != 0)


def _rank_of(change: Any) -> int | None:
    """Where singular values fall off, by those of a few rows."""
    import numpy

    if not numpy.isfinite(change).all():
        return None
    squares = numpy.linalg.eigvalsh(change @ change.T)[::-1]
    return _falls_off(numpy.sqrt(numpy.maximum(squares, 0)), _MOST_SAMPLE_RANK)


def _falls_off(values: Any, most: int) -> int | None:
    import numpy

    head, tail = values[:-1][:most], values[1:][:most]
    gaps = _divided(head, numpy.maximum(tail, values[0] * _NOISE))
    rank = int(numpy.argmax(gaps)) + 1
    squares = values * values
    falls = gaps[rank - 1] > _GAP
    return rank if falls and squares[rank:].sum() < _LEFT * squares.sum() else None


def _scaling(pair: Pair, kind: int) -> Update:
    import numpy

    matrix = pair.matrix
    shape = (matrix.rows, 1) if kind == ROWS else (1, matrix.columns)
    above, below = numpy.zeros(shape), numpy.zeros(shape)
    for rows, new, old in pair.blocks():
        at = rows if kind == ROWS else slice(None)
        axis = 1 if kind == ROWS else 0
        above[at] += (new * old).sum(axis, keepdims=True)
        below[at] += (old * old).sum(axis, keepdims=True)
    scale = _divided(above, below).astype('<f4')
    none = numpy.empty((1, 0) if kind == ROWS else (0, 1), '<f4')
    factors = (scale, none) if kind == ROWS else (none, scale)
    return Update(matrix, kind, False, *factors)


def _low_rank(pair: Pair, rank: int) -> Update | None:
    """A randomised SVD (Halko, Martinsson, Tropp 2011) with one power iteration.

    It reads the two matrices four times, a block at a time.
    """
    import numpy

    matrix = pair.matrix
    width = min(2 * rank + _MORE, matrix.rows, matrix.columns)
    random = numpy.random.Generator(numpy.random.Philox(rank))
    right = random.standard_normal((width, matrix.columns))
    for _ in range(2):
        left, _ = numpy.linalg.qr(_times(pair, right.T))
        right = _times_transposed(pair, left)
    if not numpy.isfinite(right).all():
        return None
    u, values, v = numpy.linalg.svd(right, full_matrices=False)
    found = _falls_off(values, width - 1)
    if not found:
        return None
    scale = numpy.sqrt(values[:found])
    return Update(
        matrix, LOW_RANK, False, (left @ u[:, :found] * scale).astype('<f4'),
        (v[:found] * scale[:, None]).astype('<f4'),
    )


def _times(pair: Pair, x: Any) -> Any:
    import numpy

    out = numpy.empty((pair.matrix.rows, x.shape[1]))
    for rows, new, old in pair.blocks():
        out[rows] = (new - old) @ x
    return out


def _times_transposed(pair: Pair, x: Any) -> Any:
    import numpy

    out = numpy.zeros((x.shape[1], pair.matrix.columns))
    for rows, new, old in pair.blocks():
        out += x[rows].T @ (new - old)
    return out


def _better(pair: Pair, update: Update) -> Update | None:
    """The one of two ways to round that predicts better, if it is worth its room."""
    new, old = (x.reshape(-1) for x in pair.rows(pair.sample()))
    form = Form(pair.matrix.width, FLOAT)
    start = pair.sample().start * pair.matrix.columns
    without = min(sampling.bits(new, None, form), sampling.bits(new, old, form))
    found = []
    for rounds_first in (False, True):
        tried = update._replace(rounds_first=rounds_first)
        predicted = tried.predict(memoryview(old).cast('B'), start)
        found.append((sampling.bits(new, _elements(predicted, form), form), tried))
    bits, best = min(found, key=lambda each: each[0])
    elements = pair.matrix.rows * pair.matrix.columns
    factors = 32 * (best.left.size + best.right.size)
    return best if bits * elements + factors < _WORTH * without * elements else None


def _elements(data: memoryview, form: Form) -> Any:
    import numpy

    return numpy.frombuffer(data, f'<u{form.width}')
