"""nuslerp: slerp with a weight for each version, of weights or of changes.

As slerp, with t = w_theirs / (w_ours + w_theirs) and the straight line only where
the two are parallel. ``nuslerp-flatten`` false takes each row (the last axis) for a
vector of its own, ``nuslerp-row-wise`` as well each column (the first axis), which
is mergekit's meaning of the word. With ``use-base`` the changes are interpolated:
base + slerp(ours - base, theirs - base).

mergekit's ``nuslerp`` (with or without a base model).
"""
from __future__ import annotations

import math
from typing import Any

from git_model_driver.merging.methods import geometry
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import flag

NAME = 'nuslerp'
NEEDS_BASE = False
VERSIONS = 2
AVERAGE = True
PARAMETERS = {
    'nuslerp-flatten': flag(True), 'nuslerp-row-wise': flag(False),
    'use-base': flag(False),
}
_TINY = 1e-7
_PARALLEL = 1e-16


def plan(operands: Operands, parameters: Parameters) -> Combine:
    t, from_base = geometry.share(operands), parameters['use-base']
    if not parameters['nuslerp-flatten'] and operands.size and operands.shape:
        axis = 0 if parameters['nuslerp-row-wise'] else -1
        return geometry.given(_by_vectors(operands, t, from_base, axis))
    order = geometry.arranged(operands)
    gram = geometry.gram(operands, order, from_base)
    cos = geometry.cosine(
        gram[0][1], *(max(math.sqrt(gram[i][i]), _TINY) for i in range(2)),
    )
    both = (1 - t, t) if 1 - cos * cos <= _PARALLEL else geometry.arc(t, cos)
    return geometry.weighted(order, [both[i] for i in order], from_base)


def _by_vectors(operands: Operands, t: float, from_base: bool, axis: int) -> Any:
    """The result with an arc for each vector along the axis."""
    import numpy

    base, arrays = geometry.whole(operands)
    if from_base:
        arrays = [array - base for array in arrays]
    turned = [numpy.moveaxis(array, axis, -1) for array in arrays]
    wide = [array.astype('float64') for array in turned]
    norms = [numpy.sqrt(geometry.sums(array * array)) for array in wide]
    norms = [numpy.maximum(norm, _TINY) for norm in norms]
    cosines = geometry.sums(wide[0] * wide[1]) / (norms[0] * norms[1])
    coefficients = numpy.empty((2, *cosines.shape))
    for where, cos in numpy.ndenumerate(numpy.clip(cosines, -1, 1)):
        parallel = 1 - cos * cos <= _PARALLEL
        coefficients[(slice(None), *where)] = (
            (1 - t, t) if parallel else geometry.arc(t, float(cos))
        )
    kind = arrays[0].dtype
    mixed = turned[0] * coefficients[0].astype(kind)[..., None]
    mixed = mixed + turned[1] * coefficients[1].astype(kind)[..., None]
    mixed = numpy.ascontiguousarray(numpy.moveaxis(mixed, -1, axis))
    return base + mixed if from_base else mixed
