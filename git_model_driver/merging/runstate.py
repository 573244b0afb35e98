"""What a file says of the training that wrote it: epochs, losses, learning rates.

Two branches that were trained further differ in these always, and no mean of them is
true. They are ours', all together: one run's.
"""
from __future__ import annotations

import re
from collections.abc import Iterable

_WORDS = re.compile(
    r'(?:^|[/._])(?:epoch|step|iter|iteration|loss|lr|rate|best|acc|accuracy|metric|'
    r'score|time|timestamp|date|history|elapsed|count|samples|tokens_seen|eta|t_cur)'
    r's?(?:[/._]|$)', re.IGNORECASE,
)


def keys(names: Iterable[str]) -> set[str]:
    """Those that say such a thing."""
    return {name for name in names if _WORDS.search(name)}
