"""What a merge commit's trailer says of how tensors were settled: words and back."""
from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple
from typing import Optional

BY_HAND = 'settled by hand'
OTHER_RULES = 'with rules beside .gitmodel'
_MOST = 8       # ways whose weights are told
_WAY = re.compile(r'\b[0-9]+ by ([\w+-]+)(?: \(([-+.0-9e ]+)\))?')


class Way(NamedTuple):
    """What settled a tensor: a method, or the word for a class of tensors.

    ``weights`` are those that rules give to all versions, None where they give none.
    """

    method: str
    weights: Optional[tuple[Fraction, ...]] = None


class Said(NamedTuple):
    """What can be read in a trailer.

    ``by_hand``: some tensors were settled by a person, it is not known which.
    ``others``: there were rules that nobody finds in the commit's .gitmodel.
    """

    ways: tuple[Way, ...] = ()
    by_hand: bool = False
    others: bool = False


def ways(counts: Mapping[Way, int]) -> list[str]:
    """``2 by linear (0.7 0.3)`` for each; without weights where these are many."""
    said: dict[str, int] = {}
    for way, n in counts.items():
        text = way.method
        if way.weights is not None and len(counts) <= _MOST:
            text += f' ({" ".join(f"{float(weight):g}" for weight in way.weights)})'
        said[text] = said.get(text, 0) + n
    return [f'{said[text]} by {text}' for text in sorted(said)]


def parsed(text: str) -> Said:
    """Of the value of a trailer, without the path; nothing of other texts."""
    counts, *clauses = text.split('; ')
    found = tuple(
        Way(method, tuple(map(Fraction, weights.split())) if weights else None)
        for method, weights in _WAY.findall(counts)
    )
    return Said(found, BY_HAND in clauses, OTHER_RULES in clauses)
