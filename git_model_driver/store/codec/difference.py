"""Elements as differences from predicted ones, small where the prediction is good.

Floats are mapped to integers in the order of their values (Herf, "Radix tricks",
2001): two neighbouring floats are neighbouring integers, over zero, too. The
difference modulo 2**bits is folded to an unsigned one (0, -1, 1, -2 ... become
0, 1, 2, 3 ...), so that its high bytes are mostly 0. Exact for every bit
pattern, NaNs included.
"""
from __future__ import annotations

from typing import Any

from git_model_driver.store.codec.form import FLOAT
from git_model_driver.store.codec.form import Form
from git_model_driver.store.codec.planes import blocks

_EXPONENT_AT = {2: 7, 4: 23, 8: 52}     # of bfloat16; float16 has a part of it there


def subtract(x: Any, predicted: Any, form: Form) -> Any:
    """The folded differences, like x: unsigned integers of shape (n,)."""
    import numpy

    out = numpy.empty_like(x)
    for part in blocks(len(x), 4 * form.width):
        d = _ordered(x[part], form) - _ordered(predicted[part], form)
        numpy.left_shift(d, 1, out=out[part])
        out[part] ^= _sign(d)
    return out


def add(difference: Any, predicted: Any, form: Form, out: Any) -> None:
    """Inverse of subtract: the elements, written into ``out``."""
    for part in blocks(len(out), 4 * form.width):
        folded = difference[part]
        d = folded >> 1
        d ^= -(folded & 1)
        d += _ordered(predicted[part], form)
        out[part] = _from_ordered(d, form)


def order(predicted: Any, form: Form) -> Any:
    """A permutation that puts elements of one magnitude beside one another.

    What is added to weights in training depends little on their own size; counted
    in units of the last place it depends on their exponent. Sorted by that of the
    prediction, which a decoder has, neighbours have differences of one scale, and
    each block its own Huffman code.
    """
    import numpy

    exponents = predicted >> _EXPONENT_AT[form.width]
    return numpy.argsort(exponents.astype(numpy.uint8), kind='stable')


def _sign(x: Any) -> Any:
    """All bits set where the highest one is."""
    signed = x.view(f'i{x.itemsize}') >> (8 * x.itemsize - 1)
    return signed.view(x.dtype)


def _top(x: Any) -> Any:
    return x.dtype.type(1 << (8 * x.itemsize - 1))


def _ordered(x: Any, form: Form) -> Any:
    if form.kind != FLOAT:
        return x
    mask = _sign(x)
    mask |= _top(x)
    mask ^= x
    return mask


def _from_ordered(m: Any, form: Form) -> Any:
    if form.kind != FLOAT:
        return m
    mask = ~_sign(m)
    mask |= _top(m)
    mask ^= m
    return mask
