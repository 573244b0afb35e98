"""Notes of a merge, many of one kind on one line."""
from __future__ import annotations

import re
from collections.abc import Sequence

_FROM = 4
_PERCENT = re.compile(r'[0-9]+(?:\.[0-9]+)?%')


def gathered(notes: Sequence[str]) -> list[str]:
    """Of those that differ in subject and percentage only, the worst and how many.

    ``layers.0.q: relative error 4.20%`` and its like become ``12 times relative error
    4.20%, or less (layers.0.q)``.
    """
    kinds: dict[str, list[tuple[float, str, str]]] = {}
    for note in notes:
        subject, colon, text = note.partition(': ')
        found = _PERCENT.search(text)
        share = float(found[0][:-1]) if found else 0.0
        kind = _PERCENT.sub('%', text, count=1) if colon else note
        kinds.setdefault(kind, []).append((share, subject, text))
    lines: list[str] = []
    for kind, same in kinds.items():
        if len(same) < _FROM or '%' not in kind:
            lines += [f'{subject}: {text}' if text else subject
                      for _, subject, text in same]
            continue
        _, subject, text = max(same, key=lambda one: one[0])
        lines.append(f'{len(same)} times {text}, or less ({subject})')
    return lines
