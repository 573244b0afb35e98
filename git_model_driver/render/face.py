"""Whom an answer is for: how wide the terminal is, which colours it has."""
from __future__ import annotations

from collections.abc import Callable

# Git's own defaults, by the slot's name in its configuration ("color." in front).
DEFAULTS = {
    'diff.meta': 'bold',
    'diff.frag': 'cyan',
    'diff.old': 'red',
    'diff.new': 'green',
    'diff.commit': 'yellow',
    'status.added': 'green',
    'status.changed': 'red',
    'status.unmerged': 'red',
}
_RESET = '\x1b[m'


class Face:
    """Width in columns (None where output is piped), and how words are coloured.

    ``colour`` gives the escape sequence of a slot and its default, or is None for an
    answer without colours; it is asked once for each slot that is used.
    """

    def __init__(
        self, width: int | None = None,
        colour: Callable[[str, str], str] | None = None,
    ) -> None:
        self.width = width
        self._colour = colour
        self._known: dict[str, str] = {}

    @property
    def has_colours(self) -> bool:
        return self._colour is not None

    def paint(self, text: str, slot: str) -> str:
        """The text in the colour of a slot such as ``diff.old``; '' is for none."""
        if self._colour is None or not slot or not text:
            return text
        if slot not in self._known:
            self._known[slot] = self._colour(f'color.{slot}', DEFAULTS[slot])
        start = self._known[slot]
        return f'{start}{text}{_RESET}' if start else text


PLAIN = Face()
