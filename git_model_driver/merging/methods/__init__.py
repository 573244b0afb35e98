"""Merge methods, one file each.

A method is a module with these names:

    NAME            what rules call it
    NEEDS_BASE      whether it means nothing without a common ancestor
    PARAMETERS      the keys of rules that it takes (merging.rules checks them)
    merge(base, ours, theirs, parameters)
                    combines three equally long 1-d arrays of float32, float64,
                    complex64 or complex128 (base may be None) element by element
"""
from __future__ import annotations

from git_model_driver.merging.methods import apply
from git_model_driver.merging.methods import linear
from git_model_driver.merging.methods.base import Method

METHODS: dict[str, Method] = {
    linear.NAME: linear,
    apply.NAME: apply,
}
# These take a side as it is, or none.
PICKS = ('ours', 'theirs', 'base', 'conflict')
