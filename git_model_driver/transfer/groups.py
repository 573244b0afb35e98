"""Transfers in steps, of which each is done when it is done."""
from __future__ import annotations

import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar('T')


def groups(
    items: Iterable[T], size: Callable[[T], int], most: int, count: int = sys.maxsize,
) -> Iterator[list[T]]:
    """In their order: no more than so many, and so many bytes unless one has more."""
    group: list[T] = []
    nbytes = 0
    for item in items:
        if group and (len(group) == count or nbytes + size(item) > most):
            yield group
            group, nbytes = [], 0
        group.append(item)
        nbytes += size(item)
    if group:
        yield group
