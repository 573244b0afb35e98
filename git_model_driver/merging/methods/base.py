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

    def merge(
        self, base: Any, ours: Any, theirs: Any, parameters: Parameters,
    ) -> Any: ...

    def check(self, parameters: Parameters) -> None:
        """Raise ValueError for parameters that make no sense together."""

