"""What was done to a matrix as a whole: a low-rank update was added, or it was scaled.

Weights with a LoRA merged in (Hu et al. 2021, arXiv 2106.09685) are their base plus a
product of two thin matrices; weights with IA3 merged in (Liu et al. 2022, arXiv
2205.05638) are their base with rows or columns scaled. An Update predicts such a
tensor from its base; what rounding left is stored as a difference like any other.

Computed in float64, one product and one sum after the other, never in BLAS: the same
bits on every machine. The checksums of what is decoded would tell if not.

    offset  bytes
    0       1       kind: 0 low rank, 1 rows scaled, 2 columns scaled
    1       1       1: what is added or multiplied with is rounded to the dtype before
    2       1       dtype: 0 F16, 1 BF16, 2 F32
    3       1       how the factors are stored: a mode of codec.modes
    4       4       rank, 1 where scaled
    8       8, 8    rows, columns
    24      ...     float32: left (rows, rank), right (rank, columns); one of them
                    where scaled
"""
from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from git_model_driver.store.codec import chunk as chunks
from git_model_driver.store.codec.form import FLOAT
from git_model_driver.store.codec.form import Form

LOW_RANK, ROWS, COLUMNS = range(3)
MOST_RANK = 256
MOST_ROW = 128 << 10    # bytes; some rows at a time are in memory
DTYPES = ('F16', 'BF16', 'F32')      # float32 factors say nothing exact of float64
_WIDTHS = {'F16': 2, 'BF16': 2, 'F32': 4}
_HEAD = struct.Struct('<BBBBIQQ')
_FACTOR = Form(4, FLOAT)
_BLOCK = 1 << 15        # elements


class Matrix(NamedTuple):
    """A tensor as a matrix; ``dtype`` is one of DTYPES."""

    dtype: str
    rows: int
    columns: int

    @property
    def width(self) -> int:
        return _WIDTHS[self.dtype]

    @property
    def nbytes(self) -> int:
        return self.rows * self.columns * self.width


def matrix_of(
    dtype: str, shape: Sequence[int], extra: Sequence[object] = (),
) -> Matrix | None:
    """The tensor as a matrix, its first axis against the others, if it is one.

    ``extra`` says that the bytes are not the elements in C order.
    """
    if len(shape) < 2 or dtype not in DTYPES or extra:
        return None
    return Matrix(dtype, shape[0], math.prod(shape[1:]))


class Update(NamedTuple):
    """``left`` is float32 of shape (rows, rank), ``right`` (rank, columns).

    Where rows are scaled ``right`` has no columns, and the other way round.
    """

    matrix: Matrix
    kind: int
    rounds_first: bool
    left: Any
    right: Any

    @property
    def rank(self) -> int:
        return int(self.right.shape[0])

    def predict(self, base: memoryview, start: int) -> memoryview:
        """What the elements from ``start`` on are made of those of the base."""
        import numpy

        matrix = self.matrix
        old = numpy.frombuffer(base, f'<u{matrix.width}')
        new = numpy.empty_like(old)
        end = start + len(old)
        for rows in _row_blocks(matrix, start, end):
            first, last = rows.start * matrix.columns, rows.stop * matrix.columns
            part = slice(max(first, start) - start, min(last, end) - start)
            factor = self._factor(rows).reshape(-1)[max(first, start) - first:]
            new[part] = self._apply(old[part], factor[:part.stop - part.start])
        return memoryview(new.view('u1').data)

    def _factor(self, rows: slice) -> Any:
        """What is added to these rows, or multiplied with them; float64."""
        import numpy

        shape = rows.stop - rows.start, self.matrix.columns
        if self.kind == COLUMNS:
            return numpy.broadcast_to(self.right.astype(float), shape)
        left = self.left[rows].astype(float)
        if self.kind == ROWS:
            return numpy.broadcast_to(left, shape)
        total, product = numpy.zeros(shape), numpy.empty(shape)
        for column, row in zip(left.T, self.right.astype(float)):
            numpy.multiply.outer(column, row, out=product)
            total += product
        return total

    def _apply(self, old: Any, factor: Any) -> Any:
        import numpy

        dtype = self.matrix.dtype
        with numpy.errstate(all='ignore'):
            values = widened(old, dtype)
            if self.rounds_first:
                factor = widened(_narrowed(factor, dtype), dtype)
            changed = values + factor if self.kind == LOW_RANK else values * factor
            new = _narrowed(changed, dtype)
        # The bits of a NaN that is computed with differ between processors.
        return numpy.where(numpy.isfinite(changed), new, old)

    def pack(self) -> bytes:
        left, right = self.left.tobytes(), self.right.tobytes()
        encoded = chunks.encode(memoryview(left + right), _FACTOR)
        matrix = self.matrix
        head = _HEAD.pack(
            self.kind, self.rounds_first, DTYPES.index(matrix.dtype), encoded.mode,
            self.rank, matrix.rows, matrix.columns,
        )
        return head + b''.join(encoded.parts)


def unpack(data: bytes) -> Update:
    """Inverse of ``pack``. Raises ValueError where the data are none."""
    import numpy

    if len(data) < _HEAD.size:
        raise ValueError('an update is cut short')
    kind, rounds_first, code, mode, rank, rows, columns = _HEAD.unpack_from(data)
    if kind > COLUMNS or code >= len(DTYPES) or not 0 < rank <= MOST_RANK:
        raise ValueError('an update of a kind that is not known')
    tall, wide = (rows, columns) if kind == LOW_RANK else (
        (rows, 0) if kind == ROWS else (0, columns))
    nbytes = 4 * rank * (tall + wide)
    matrix = Matrix(DTYPES[code], rows, columns)
    if nbytes > MOST_RANK * len(data) or columns * matrix.width > MOST_ROW:
        raise ValueError('an update is larger than it can be')
    raw = chunks.decode(mode, memoryview(data)[_HEAD.size:], nbytes, _FACTOR, None)
    if len(raw) != nbytes:
        raise ValueError('an update is not as long as it must be')
    values = numpy.frombuffer(raw, '<f4')
    return Update(
        matrix, kind, bool(rounds_first),
        values[:tall * rank].reshape(tall, rank),
        values[tall * rank:].reshape(rank, wide),
    )


def widened(bits: Any, dtype: str) -> Any:
    """Elements, given as unsigned integers, as float64."""
    if dtype == 'BF16':
        return (bits.astype('<u4') << 16).view('<f4').astype(float)
    return bits.view({'F16': '<f2', 'F32': '<f4'}[dtype]).astype(float)


def _narrowed(values: Any, dtype: str) -> Any:
    """float64 rounded to the nearest, ties to even (BF16: to float32 before)."""
    if dtype == 'BF16':
        bits = values.astype('<f4').view('<u4')
        bits += 0x7fff + (bits >> 16 & 1)
        return (bits >> 16).astype('<u2')
    width = _WIDTHS[dtype]
    return values.astype(f'<f{width}').view(f'<u{width}')


def _row_blocks(matrix: Matrix, start: int, end: int) -> Iterator[slice]:
    """The rows that have elements from start to end, some at a time."""
    step = max(1, _BLOCK // matrix.columns)
    last = -(-end // matrix.columns)
    return (
        slice(row, min(row + step, last))
        for row in range(start // matrix.columns, last, step)
    )
