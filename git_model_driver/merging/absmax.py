"""Quantisation by the largest magnitude (absmax), symmetric and without choices.

value = code * scale, where a scale belongs to a tensor, a row, or a block, and is the
largest magnitude there divided by the largest code. "LLM.int8()" (Dettmers et al.,
arXiv 2208.07339) keeps that magnitude itself (SCB); float8 in blocks of 128 x 128 is
DeepSeek-V3's (arXiv 2412.19437). Float32 arithmetic, to nearest even.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

_BLOCK = 128
# The code of the largest magnitude; that of compressed-tensors' int8 is 127.5,
# which becomes 127 or -128.
LARGEST = {
    'I8': 127.0, 'F8_E4M3': 448.0, 'F8_E5M2': 57344.0, 'F8_E4M3FNUZ': 240.0,
    'F8_E5M2FNUZ': 57344.0,
}
_HALF_MORE = 127.5


class Grid(NamedTuple):
    """Which elements share a scale: lengths of a block along each axis."""

    shape: tuple[int, ...]
    blocks: tuple[int, ...]

    def spread(self, scales: Any) -> Any:
        """Each element's scale, ready to be multiplied with."""
        import numpy

        for axis, (length, block) in enumerate(zip(self.shape, self.blocks)):
            if block not in (1, length):
                scales = numpy.repeat(scales, block, axis)
                scales = numpy.take(scales, range(length), axis)
        return scales

    def largest(self, values: Any) -> Any:
        """The largest magnitude of each block; keeps the number of axes."""
        import numpy

        found = numpy.abs(values)
        for axis, block in enumerate(self.blocks):
            if block > 1:
                starts = range(0, self.shape[axis], block)
                found = numpy.maximum.reduceat(found, list(starts), axis)
        return found


def grid(shape: Sequence[int], scales: Sequence[int]) -> Grid | None:
    """How scales of that shape lie over codes; None where that cannot be told."""
    if 0 in shape:
        return None
    if all(n == 1 for n in scales):
        scales = (1,) * len(shape)
    elif len(scales) == 1:
        scales = (*scales, *(1,) * (len(shape) - 1))
    if len(scales) != len(shape):
        return None
    blocks = tuple(_block(n, count) for n, count in zip(shape, scales))
    return Grid(tuple(shape), blocks) if all(blocks) else None


def _block(length: int, count: int) -> int:
    """Elements to a scale along an axis, 0 where that cannot be told."""
    if count in (1, length):
        return length // count
    if -(-length // _BLOCK) == count:
        return _BLOCK
    return length // count if count and length % count == 0 else 0


def largest_code(dtype: str, codes: Sequence[Any], over: Grid) -> float | None:
    """The code of the largest magnitude; None where scales are no absmax's.

    In every block of every version that is not all zeros it must occur.
    """
    wanted, half = LARGEST[dtype], False
    for array in codes:
        found = over.largest(array.astype('float32'))
        if ((found != 0) & (found < wanted)).any():
            return None
        half |= bool((found > wanted).any())
    return _HALF_MORE if half else wanted


def dequantised(codes: Any, scales: Any, over: Grid) -> Any:
    """float32 values; ``scales`` of any shape that fits."""
    return codes.astype('float32') * over.spread(_laid(scales, over))


def _laid(scales: Any, over: Grid) -> Any:
    counts = [-(-n // block) for n, block in zip(over.shape, over.blocks)]
    return scales.astype('float32').reshape(counts)


def scales_of(values: Any, largest: float, over: Grid) -> Any:
    """Scales in float32; 1 where all values are zeros."""
    import numpy

    found = over.largest(values) / numpy.float32(largest)
    return numpy.where(found == 0, numpy.float32(1), found)


def quantised(
    values: Any, scales: Any, dtype: Any, largest: float, over: Grid,
) -> Any:
    """Codes for scales as they were stored."""
    import numpy

    wide = values / over.spread(_laid(scales, over))
    if dtype.kind == 'i':
        limits = numpy.iinfo(dtype)
        return numpy.clip(numpy.rint(wide), limits.min, limits.max).astype(dtype)
    return numpy.clip(wide, -largest, largest).astype(dtype)
