"""Parameters of tests."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import TypeVar

import pytest

T = TypeVar('T')


def slow_unless(is_quick: Callable[[T], bool], values: Iterable[T]) -> list[object]:
    """All of them; those that say little that the others do not are for ``--slow``."""
    return [
        value if is_quick(value) else pytest.param(value, marks=pytest.mark.slow)
        for value in values
    ]
