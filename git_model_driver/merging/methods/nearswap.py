"""nearswap: theirs where it is near to ours, ours where it is not.

k theirs + (1 - k) ours with k = min(1, t / abs(ours - theirs)): what differs by less
than ``t`` (in the units of the weights) becomes theirs, what differs more moves by t.

mergekit's ``nearswap`` (alchemonaut, QuartetAnemoi-70B 2024), whose base model is
ours. ``t`` must be given.
"""
from __future__ import annotations

from typing import Any

from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters
from git_model_driver.merging.methods.base import number

NAME = 'nearswap'
NEEDS_BASE = False
VERSIONS = 2
PARAMETERS = {'t': number(None)}
_TINY = 1e-6


def plan(operands: Operands, parameters: Parameters) -> Combine:
    if parameters['t'] is None:
        raise ValueError("it needs 't'")
    t = float(parameters['t'])

    def combine(block: Block) -> Any:
        import numpy

        ours, theirs = block.versions
        kind = ours.dtype.type
        share = kind(t) / numpy.maximum(numpy.abs(ours - theirs), kind(_TINY))
        share = numpy.clip(share, kind(0), kind(1))
        return share * theirs + (kind(1) - share) * ours

    return combine
