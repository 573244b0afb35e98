"""apply: carry theirs' change over, ours + (theirs - base).

Task arithmetic (Ilharco et al., arXiv 2212.04089) with weight 1 for each side. It
is what a rebase, cherry-pick, revert or stash means: git gives the commit's
parent as base (for a revert: the commit as base and its parent as theirs).

An element that only one side changed is that side's, bit for bit.
"""
from __future__ import annotations

from typing import Any

from git_model_driver.core.numbers import same_bits
from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameter
from git_model_driver.merging.methods.base import Parameters

NAME = 'apply'
NEEDS_BASE = True
VERSIONS = 2
PARAMETERS: dict[str, Parameter] = {}


def plan(operands: Operands, parameters: Parameters) -> Combine:
    return _combine


def _combine(block: Block) -> Any:
    import numpy

    ours, theirs = block.versions
    with numpy.errstate(all='ignore'):
        merged = theirs - block.base
        merged += ours
    merged = numpy.where(same_bits(ours, block.base), theirs, merged)
    return numpy.where(same_bits(theirs, block.base), ours, merged)
