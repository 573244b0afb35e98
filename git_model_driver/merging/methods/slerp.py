"""slerp: from ours to theirs along the arc between them.

sin((1-t) theta)/sin(theta) ours + sin(t theta)/sin(theta) theirs, where theta is the
angle between the two tensors taken as vectors; the straight line where they are
nearly parallel (abs(cos theta) > 0.9995). ``t`` is the way from ours (0) to theirs
(1); without it, theirs' share of the weights.

"Animating Rotation with Quaternion Curves" (Shoemake, SIGGRAPH 1985); mergekit's
``slerp``, whose base model is ours.
"""
from __future__ import annotations

import math

from git_model_driver.merging.methods import geometry
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import number

NAME = 'slerp'
NEEDS_BASE = False
VERSIONS = 2
AVERAGE = True
PARAMETERS = {'t': number(None, '0', '1')}
_PARALLEL = 0.9995
_TINY = 1e-8


def plan(operands: Operands, parameters: Parameters) -> Combine:
    given = parameters['t']
    t = geometry.share(operands) if given is None else float(given)
    order = geometry.arranged(operands)
    gram = geometry.gram(operands, order, from_base=False)
    norms = [math.sqrt(gram[i][i]) for i in range(2)]
    norms = [norm if norm > _TINY else 1.0 for norm in norms]
    cos = geometry.cosine(gram[0][1], *norms)
    if abs(cos) > _PARALLEL:
        both = 1 - t, t
    else:
        both = geometry.arc(t, cos)
    return geometry.weighted(order, [both[i] for i in order], from_base=False)
