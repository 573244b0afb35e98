"""What is worth trying, told from samples: cheap, and wrong now and then."""
from __future__ import annotations

from typing import Any

from git_model_driver.store.codec import difference
from git_model_driver.store.codec import planes
from git_model_driver.store.codec import zstd
from git_model_driver.store.codec.form import DOCUMENT
from git_model_driver.store.codec.form import FLOAT
from git_model_driver.store.codec.form import INTEGER
from git_model_driver.store.codec.form import Form

MOSTLY_CHANGED = 0.75   # from here on a bitmap does not pay
_SAMPLE = 16 << 10
_INCOMPRESSIBLE = 7.9   # bits per byte
_RUNS = 0.8
_ONE_VALUE = 0.4        # share from which matches may beat Huffman's one bit a byte
_GUESS = 128 << 10
_BETTER = 0.98
_CANDIDATES = [
    Form(1), *(Form(w, kind) for w in (2, 4, 8) for kind in (FLOAT, INTEGER)),
]
_NEARER = 0.9           # of the size alone: a base costs time at every reading


def method(row: Any) -> tuple[str, ...]:
    """The ways of compression to try for a byte plane, uint8 of shape (n,)."""
    bits, share = _entropy(row)
    if bits > _INCOMPRESSIBLE:
        return ()
    if bits < _RUNS:
        return (zstd.RUNS,)
    return (zstd.ENTROPY, zstd.RUNS) if share > _ONE_VALUE else (zstd.ENTROPY,)


def is_near(x: Any, predicted: Any, form: Form) -> bool:
    """Whether differences take less room than the elements themselves."""
    return bits(x, predicted, form) < _NEARER * bits(x, None, form)


def bits(x: Any, predicted: Any, form: Form) -> float:
    """About how many an element takes, alone or as a difference."""
    step = _step(2 * len(x))
    x = x[::step].copy()
    if predicted is None:
        return _bits(planes.split(x, form))
    d = difference.subtract(x, predicted[::step].copy(), form)
    return _bits(planes.split(d, Form(form.width)))


def guess(raw: memoryview) -> Form:
    """The form in which a chunk of nobody knows what is likely to be smallest."""
    import numpy

    sample = raw[:_GUESS]
    best, found = 8 * len(zstd.compress(sample, zstd.RUNS)) / len(sample), DOCUMENT
    for form in _CANDIDATES:
        x = numpy.frombuffer(sample, f'<u{form.width}', len(sample) // form.width)
        bits = _bits(planes.split(x, form)) / form.width
        if bits < _BETTER * best:
            best, found = bits, form
    return found


def _bits(rows: Any) -> float:
    return sum(_entropy(row)[0] for row in rows)


def _step(n: int) -> int:
    """An odd one: even ones would see some columns of a matrix and not the others."""
    return n // _SAMPLE | 1


def _entropy(row: Any) -> tuple[float, float]:
    """Bits per byte in order 0 (Shannon 1948), and the commonest byte's share."""
    import numpy

    sample = row[::_step(len(row))]
    if not len(sample):
        return 0.0, 1.0
    shares = numpy.bincount(sample, minlength=256) / len(sample)
    shares = shares[shares > 0]
    return float(-(shares * numpy.log2(shares)).sum()), float(shares.max())
