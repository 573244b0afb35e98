"""Arguments of a verb that hands others on to git."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence
from typing import Optional


def split(
    arguments: Sequence[str], own: Callable[[str], Optional[str]],
    with_value: Collection[str],
) -> tuple[list[str], list[str]]:
    """Ours and git's, in any order. What follows ``--`` is git's.

    ``own`` gives a word of ours as argparse is to have it, None for git's; those in
    ``with_value`` take the next one along.
    """
    ours: list[str] = []
    gits: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == '--':
            return ours, [*gits, word, *rest]
        taken = own(word)
        if taken is None:
            gits.append(word)
            continue
        ours.append(taken)
        if word in with_value and rest:
            ours.append(rest.pop(0))
    return ours, gits
