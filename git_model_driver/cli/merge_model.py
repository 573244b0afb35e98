"""git-merge-model: the merge strategy for several heads at once."""
from __future__ import annotations

import sys


def main() -> int:
    """Refuse in a way that makes git put everything back (exit code 2)."""
    print(
        "error: the strategy 'model' cannot merge several heads at once yet\n"
        'hint: merge them one after the other: git merge <branch>',
        file=sys.stderr,
    )
    return 2
