"""A history as a drawing: each commit in a lane, lines to its parents."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from typing import Optional


class Line(NamedTuple):
    """From a commit to a parent, along a lane; ``parent`` None: it is not drawn."""

    child: int
    parent: Optional[int]
    lane: int


class Drawing(NamedTuple):
    """The lane of each commit, by its row, and the lines between rows."""

    lanes: tuple[int, ...]
    lines: tuple[Line, ...]

    @property
    def width(self) -> int:
        return 1 + max([*self.lanes, *(line.lane for line in self.lines)], default=0)


def draw(commits: Sequence[tuple[str, Sequence[str]]]) -> Drawing:
    """Commits with their parents, children before parents, from the top."""
    rows = {commit: row for row, (commit, _) in enumerate(commits)}
    waiting: list[str | None] = []      # by lane: which commit it leads to
    lanes, lines = [], []
    for row, (commit, parents) in enumerate(commits):
        lane = _lane_of(commit, waiting)
        waiting[:] = [None if other == commit else other for other in waiting]
        lanes.append(lane)
        for number, parent in enumerate(parents):
            if number == 0 and parent not in waiting:
                waiting[lane] = parent
            along = _lane_of(parent, waiting)
            lines.append(Line(row, rows.get(parent), along))
            if parent not in rows:
                waiting[along] = None       # it leads nowhere
    return Drawing(tuple(lanes), tuple(lines))


def _lane_of(commit: str, waiting: list[str | None]) -> int:
    """The lane that leads to it, or else a free one."""
    if commit not in waiting:
        free = waiting.index(None) if None in waiting else len(waiting)
        waiting[free:free + 1] = [commit]
    return waiting.index(commit)
