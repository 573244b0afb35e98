"""arcee_fusion: theirs where its change matters most, ours elsewhere.

The importance of an element is abs(theirs - ours) times the Kullback-Leibler
divergence of the softmax of its row (the last axis) in theirs from that in ours;
theirs is taken where it is at least median + 1.5 (third - first quartile).

mergekit's ``arcee_fusion`` (Arcee, 2024), whose base model is ours. The quartiles
are exact here; mergekit draws a sample above a million elements.
"""
from __future__ import annotations

from typing import Any

from git_model_driver.merging.methods import elementary
from git_model_driver.merging.methods import geometry
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameter
from git_model_driver.merging.methods.base import Parameters

NAME = 'arcee_fusion'
NEEDS_BASE = False
VERSIONS = 2
PARAMETERS: dict[str, Parameter] = {}
_EPS = 1e-8
_ROWS = 1 << 18     # elements that are in float64 at once


def plan(operands: Operands, parameters: Parameters) -> Combine:
    import numpy

    _, versions = geometry.whole(operands)
    if not versions or not operands.size:
        return lambda block: block.versions[0]
    row = operands.shape[-1] if operands.shape else 1
    ours, theirs = (array.reshape(-1, row) for array in versions)
    importance = _importance(ours, theirs)
    flat = importance.reshape(-1)
    wanted = [int(q * (flat.size - 1)) for q in (0.25, 0.5, 0.75)]
    ordered = numpy.partition(flat, wanted)
    first, median, third = (ordered[i] for i in wanted)
    threshold = median + flat.dtype.type(1.5) * (third - first)
    taken = importance >= threshold
    return geometry.given(ours + (theirs - ours) * taken)


def _importance(ours: Any, theirs: Any) -> Any:
    import numpy

    found = numpy.abs(theirs - ours)
    step = max(1, _ROWS // ours.shape[1])
    for start in range(0, len(ours), step):
        rows = slice(start, start + step)
        p, q = _softmax(theirs[rows]), _softmax(ours[rows])
        divergence = geometry.sums(p * elementary.log(p / q))
        found[rows] *= divergence.astype(found.dtype)[:, None]
    return found


def _softmax(rows: Any) -> Any:
    wide = rows.astype('float64')
    powers = elementary.exp(wide - wide.max(axis=1, keepdims=True))
    return powers / geometry.sums(powers)[:, None] + _EPS
