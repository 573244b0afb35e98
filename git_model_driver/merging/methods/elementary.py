"""exp and log of float64 arrays, the same on every machine.

NumPy's own differ by an ulp between processors. These are made of additions and
products in a fixed order; they are right to about 2 ulp.
"""
from __future__ import annotations

import math
from typing import Any

_LN2_HIGH = 0.693147180369123816490     # with trailing zeros: k times it is exact
_LN2_LOW = 1.90821492927058770002e-10
_EXP = [1 / math.factorial(i) for i in range(14)]
_LOG = [2 / i for i in range(1, 24, 2)]


def exp(x: Any) -> Any:
    import numpy

    x = numpy.maximum(x, -745.0)
    k = numpy.rint(x * (1 / math.log(2)))
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    return numpy.ldexp(_horner(_EXP, r), k.astype('int32'))


def log(x: Any) -> Any:
    """Of positive values: x = m 2^e, log m by the series of artanh."""
    import numpy

    m, e = numpy.frexp(x)
    small = m < math.sqrt(0.5)
    m = numpy.where(small, m * 2, m)
    e = (e - small).astype('float64')
    s = (m - 1) / (m + 1)
    return (e * _LN2_LOW + s * _horner(_LOG, s * s)) + e * _LN2_HIGH


def _horner(coefficients: list[float], x: Any) -> Any:
    total = x * 0 + coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total
