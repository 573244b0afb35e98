"""Merge methods, one file each: ``methods.base`` says what a method is.

Other packages add theirs by entry points of the group
``git_model_driver.methods``; a repository cannot.
"""
from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import cast

from git_model_driver.merging.methods import apply
from git_model_driver.merging.methods import arcee_fusion
from git_model_driver.merging.methods import breadcrumbs
from git_model_driver.merging.methods import breadcrumbs_ties
from git_model_driver.merging.methods import dare_linear
from git_model_driver.merging.methods import dare_ties
from git_model_driver.merging.methods import della
from git_model_driver.merging.methods import della_linear
from git_model_driver.merging.methods import fisher
from git_model_driver.merging.methods import foreign
from git_model_driver.merging.methods import karcher
from git_model_driver.merging.methods import linear
from git_model_driver.merging.methods import model_stock
from git_model_driver.merging.methods import multislerp
from git_model_driver.merging.methods import nearswap
from git_model_driver.merging.methods import nuslerp
from git_model_driver.merging.methods import ram
from git_model_driver.merging.methods import ramplus_tl
from git_model_driver.merging.methods import sce
from git_model_driver.merging.methods import slerp
from git_model_driver.merging.methods import task_arithmetic
from git_model_driver.merging.methods import ties
from git_model_driver.merging.methods.base import Method

METHODS: dict[str, Method] = {
    module.NAME: cast(Method, module) for module in (
        linear, apply, task_arithmetic, ties, dare_linear, dare_ties, della,
        della_linear, breadcrumbs, breadcrumbs_ties, ram, ramplus_tl, sce,
        slerp, nuslerp, multislerp, karcher, model_stock, nearswap, arcee_fusion,
        fisher,
    )
}
# These take a side as it is, or none.
PICKS = ('ours', 'theirs', 'base', 'conflict')


def names() -> Iterable[str]:
    """The built-in methods, and those of other packages that were asked for."""
    return (*METHODS, *(name for name in _others_used))


def find(name: str) -> Method:
    """The method of that name. Raises LookupError."""
    method = find_or_none(name)
    if method is None:
        raise LookupError(name)
    return method


def find_or_none(name: str) -> Method | None:
    return METHODS.get(name) or _of_another_package(name)


_others_used: dict[str, Method] = {}


@cache
def _of_another_package(name: str) -> Method | None:
    method = foreign.find(name)
    if method is not None:
        _others_used[name] = method
    return method
