"""Elements taken apart into byte planes, and put together again.

Everything goes through blocks that stay in the processor's cache: with NumPy's
whole-array operations this is a third as fast.

Arrays: ``x`` is uint8, uint16, uint32 or uint64, shape (n,), little-endian;
planes are uint8, shape (width, n), the lowest byte first.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from git_model_driver.store.codec.form import FLOAT
from git_model_driver.store.codec.form import Form

_BLOCK = 128 << 10      # bytes


def blocks(n: int, width: int) -> Iterator[slice]:
    step = _BLOCK // width
    return (slice(i, min(i + step, n)) for i in range(0, n, step))


def split(x: Any, form: Form) -> Any:
    """The byte planes of x; the sign of a FLOAT goes to the lowest bit before.

    So the highest plane is the exponent, and nothing else.
    """
    import numpy

    planes = numpy.empty((form.width, len(x)), numpy.uint8)
    if form.width == 1:
        planes[0] = x
        return planes
    scratch = numpy.empty(_BLOCK // form.width, x.dtype)
    for part in blocks(len(x), form.width):
        block = x[part]
        if form.kind == FLOAT:
            block = _rotated(block, scratch[:len(block)], form.width * 8 - 1, 1)
        _spread(block, planes[:, part])
    return planes


def join(planes: Any, form: Form, out: Any) -> None:
    """Write the elements into ``out``: inverse of split."""
    import numpy

    if form.width == 1:
        out[:] = planes[0]
        return
    scratch = numpy.empty(_BLOCK // form.width, out.dtype)
    for part in blocks(len(out), form.width):
        if form.kind == FLOAT:
            block = scratch[:part.stop - part.start]
            _gather([row[part] for row in planes], block)
            _rotated(block, out[part], 1, form.width * 8 - 1)
        else:
            _gather([row[part] for row in planes], out[part])


def _rotated(x: Any, out: Any, right: int, left: int) -> Any:
    import numpy

    numpy.left_shift(x, left, out=out)
    out |= x >> right
    return out


def _spread(x: Any, planes: Any) -> None:
    import numpy

    if len(planes) == 2:
        numpy.copyto(planes[0], x, casting='unsafe')
        numpy.copyto(planes[1], x >> 8, casting='unsafe')
        return
    octets = x.view(numpy.uint8).reshape(-1, len(planes))
    for i, plane in enumerate(planes):
        plane[:] = octets[:, i]


def _gather(planes: Any, out: Any) -> None:
    import numpy

    if len(planes) == 2:
        numpy.copyto(out, planes[1])
        numpy.left_shift(out, 8, out=out)
        out |= planes[0]
        return
    octets = out.view(numpy.uint8).reshape(-1, len(planes))
    for i, plane in enumerate(planes):
        octets[:, i] = plane
