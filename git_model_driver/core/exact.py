"""Products and sums of float64 matrices that are the same on every machine.

A product of matrices by BLAS depends on the order of its additions, which changes
with the processor and the number of threads. Here it does not: each matrix is cut
into slices of whole numbers so small that every product and every partial sum of
BLAS is a whole number below 2^53, which float64 holds exactly in any order, with
FMA or without (Ozaki, Ogita, Oishi, Rump, Numer. Algorithms 59 (2012) 95-118).
"""
from __future__ import annotations

from typing import Any

SLICES = 3
_LENGTH = 1 << 16       # of the sums that are made at once: slices of 18 bits
_LEAST = -1000          # binary exponent below which values count as small


def matmul(a: Any, b: Any) -> Any:
    """The product of two finite float64 matrices (m x k and k x n).

    Each element is off by at most 4 k 2^-54 max|row of a| max|column of b|, as any
    float64 product may be. Time: that of up to six products by BLAS.
    """
    import numpy

    total = numpy.zeros((a.shape[0], b.shape[1]))
    for start in range(0, a.shape[1], _LENGTH):
        part = slice(start, start + _LENGTH)
        total += _product(a[:, part], b[part])
    return total


def _product(a: Any, b: Any) -> Any:
    import numpy

    bits = (53 - max(1, (a.shape[1] - 1).bit_length())) // 2
    left, up = _slices(a, bits, 1)
    right, down = _slices(b, bits, 0)
    total = numpy.zeros((a.shape[0], b.shape[1]))
    for order in reversed(range(SLICES)):      # the smallest first
        for i in range(order + 1):
            if i < len(left) and order - i < len(right):
                total += (left[i] @ right[order - i]) * 2.0 ** (-bits * (order + 2))
    return numpy.ldexp(total, up + down) + 0.0     # no negative zeros


def _slices(values: Any, bits: int, axis: int) -> tuple[list[Any], Any]:
    """Whole numbers of at most 2^bits, and the power of two of each row (or column).

    values = 2^power * sum over i of slice_i 2^(-bits (i + 1)), but for what is
    smaller than the last slice.
    """
    import numpy

    largest = numpy.abs(values).max(axis=axis, keepdims=True, initial=0.0)
    power = numpy.maximum(numpy.frexp(largest)[1], _LEAST)
    rest = values * numpy.ldexp(1.0, -power)
    found: list[Any] = []
    for _ in range(SLICES):
        rest = rest * 2.0 ** bits
        found.append(numpy.rint(rest))
        rest = rest - found[-1]
        if not rest.any():
            break
    return found, power


def sums(values: Any) -> Any:
    """Sums over the last axis, by halving: the order depends on its length alone."""
    return sums_within(values.copy())


def sums_within(values: Any) -> Any:
    """The same sums, made in the place of ``values``: no memory is asked for."""
    import numpy

    n = values.shape[-1]
    if not n:
        return values.sum(axis=-1)
    while n > 1:
        half = (n + 1) // 2
        low = values[..., :n - half]
        numpy.add(low, values[..., half:n], out=low)
        n = half
    return values[..., 0]
