"""Bytes of a tensor as numbers one can compute with, and back.

Float types of at most 32 bits are computed in float32, the others as they are;
integers and truth values are read as float64 for statistics only. One rounding,
to nearest even, on the way back. No BLAS, no FMA, no reduction whose order NumPy
does not promise: the same bytes on every machine.
"""
from __future__ import annotations

from typing import Any

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import exact

BLOCK = 1 << 16     # elements summed as one tree


def endian_of(extra: tuple[tuple[str, str], ...]) -> str:
    return dict(extra).get('endian', 'little')


def stored(data: bytes | memoryview, dtype: str, endian: str = 'little') -> Any:
    """The bytes as a 1-d array of the dtype itself, in this machine's byte order."""
    import numpy

    array = numpy.frombuffer(data, dtypes.as_numpy(dtype, endian))
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder())


def widened(array: Any, dtype: str) -> Any:
    """A stored array as float32, float64, complex64 or complex128."""
    return array.astype(computed(dtype))


def rounded(values: Any, dtype: str) -> Any:
    """Computed values rounded once to the dtype. Overflow gives inf or NaN."""
    import numpy

    with numpy.errstate(all='ignore'):
        return values.astype(dtypes.as_numpy(dtype).newbyteorder('='))


def to_bytes(array: Any, dtype: str, endian: str = 'little') -> bytes:
    """Inverse of ``stored``."""
    data: bytes = array.astype(dtypes.as_numpy(dtype, endian)).tobytes()
    return data


def as_bytes(array: Any, dtype: str, endian: str = 'little') -> memoryview:
    """``to_bytes`` without a copy, where none is needed."""
    ordered = array.astype(dtypes.as_numpy(dtype, endian), copy=False)
    return memoryview(ordered.reshape(-1).view('u1'))


def same_bits(one: Any, other: Any) -> Any:
    """Where two arrays of one dtype hold the same bits, NaN and -0 included."""
    width = one.dtype.itemsize
    if one.dtype.kind == 'c':
        halves = one.view(f'u{width // 2}') == other.view(f'u{width // 2}')
        return halves.reshape(-1, 2).all(axis=1)
    return one.view(f'u{width}') == other.view(f'u{width}')


def computed(dtype: str) -> str:
    if dtype in ('C64', 'C128'):
        return 'complex64' if dtype == 'C64' else 'complex128'
    if dtype == 'F64' or dtype not in dtypes.FLOATS:
        return 'float64'
    return 'float32'


def tree_sum(values: Any) -> float:
    """The sum of at most BLOCK float64 values by halving, in a fixed order."""
    import numpy

    size = 1
    while size < len(values):
        size *= 2
    total = numpy.empty(size)
    total[:len(values)] = values
    total[len(values):] = 0.0
    return float(exact.sums_within(total))
