"""What a merge method is."""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any
from typing import Protocol

Parameters = Mapping[str, Fraction]


class Method(Protocol):
    """A module of this shape (merging.methods)."""

    NAME: str
    NEEDS_BASE: bool
    PARAMETERS: frozenset[str]

    @staticmethod
    def merge(base: Any, ours: Any, theirs: Any, parameters: Parameters) -> Any: ...

    @staticmethod
    def check(parameters: Parameters) -> None:
        """Raise ValueError for parameters that make no sense together."""

