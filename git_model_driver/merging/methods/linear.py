"""linear: the weighted average, sum(w_i x_i) / sum(w_i).

"Model soups" (Wortsman et al., arXiv 2203.05482); mergekit's ``linear`` with
``normalize``. ``weight`` is theirs' share, 0 to 1, and ours has the rest (default
0.5); or ``ours-weight`` and ``theirs-weight`` give any two weights (default 1).

The weights are normalised exactly, then rounded to the arrays' precision. An
element that is the same on both sides stays as it is, bit for bit.
"""
from __future__ import annotations

from fractions import Fraction
from typing import Any

from git_model_driver.core.numbers import same_bits
from git_model_driver.merging.methods.base import Parameters

NAME = 'linear'
NEEDS_BASE = False
PARAMETERS = frozenset({'weight', 'ours-weight', 'theirs-weight'})


def shares(parameters: Parameters) -> tuple[Fraction, Fraction]:
    """The normalised weights of ours and theirs. Raises ValueError."""
    if 'ours-weight' in parameters or 'theirs-weight' in parameters:
        ours = parameters.get('ours-weight', Fraction(1))
        theirs = parameters.get('theirs-weight', Fraction(1))
        if ours + theirs == 0:
            raise ValueError('the weights of ours and theirs sum to 0')
        return ours / (ours + theirs), theirs / (ours + theirs)
    share = parameters.get('weight', Fraction(1, 2))
    return 1 - share, share


def check(parameters: Parameters) -> None:
    shares(parameters)


def merge(base: Any, ours: Any, theirs: Any, parameters: Parameters) -> Any:
    import numpy

    w_ours, w_theirs = (ours.real.dtype.type(float(w)) for w in shares(parameters))
    with numpy.errstate(all='ignore'):
        merged = ours * w_ours
        merged += theirs * w_theirs
    return numpy.where(same_bits(ours, theirs), ours, merged)
