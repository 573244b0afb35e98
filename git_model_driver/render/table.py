"""Rows of words as aligned columns, cut to the terminal's width and coloured."""
from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple
from typing import Union

from git_model_driver.render.face import PLAIN
from git_model_driver.render.face import Face

_ELLIPSIS = '…'
_NARROWEST = 12         # a name is not cut to less, however narrow the terminal is
_WIDE = frozenset('WF')


class Cell(NamedTuple):
    """A word with the slot of its colour (render.face)."""

    text: str
    slot: str = ''


class Column(NamedTuple):
    """``right`` aligns at the right; ``cut`` lets words lose their middle.

    ``gap`` is what stands before it.
    """

    right: bool = False
    cut: bool = False
    gap: str = '  '


Row = Sequence[Union[str, Cell]]
LEFT, RIGHT, NAME = Column(), Column(right=True), Column(cut=True)


def lines(
    rows: Sequence[Row], columns: Sequence[Column], face: Face = PLAIN,
    indent: str = '',
) -> Iterator[str]:
    """A line for each row. Cells are one-line texts that a terminal may show.

    Rows may be shorter than ``columns``; no line ends in spaces.
    """
    cells = [[_cell(word) for word in row] for row in rows]
    widths = _widths(cells, len(columns))
    gaps = [indent, *(column.gap for column in columns[1:])]
    _fit(widths, columns, face, sum(map(len, gaps)))
    for row in cells:
        padded = (
            gap + _padded(cell, width, column, face)
            for gap, cell, width, column in zip(gaps, row, widths, columns)
        )
        yield ''.join(padded).rstrip(' ')


def _cell(word: str | Cell) -> Cell:
    return word if isinstance(word, Cell) else Cell(word)


def _widths(rows: Sequence[Sequence[Cell]], count: int) -> list[int]:
    widths = [0] * count
    for row in rows:
        for i, cell in enumerate(row):
            widths[i] = max(widths[i], columns_of(cell.text))
    return widths


def _fit(
    widths: list[int], columns: Sequence[Column], face: Face, between: int,
) -> None:
    """Take what is too much for the terminal from the widest that may be cut."""
    if face.width is None:
        return
    excess = sum(widths) + between - face.width
    while excess > 0:
        width, i = max(
            ((widths[i], i) for i, column in enumerate(columns) if column.cut),
            default=(0, 0),
        )
        if width <= _NARROWEST:
            return
        others = [w for j, w in enumerate(widths) if columns[j].cut and j != i]
        next_ = min(width - 1, max(others, default=0))
        least = max(_NARROWEST, width - excess, next_)
        excess -= width - least
        widths[i] = least


def _padded(cell: Cell, width: int, column: Column, face: Face) -> str:
    text = cut(cell.text, width) if column.cut else cell.text
    space = ' ' * (width - columns_of(text))
    painted = face.paint(text, cell.slot)
    return space + painted if column.right else painted + space


def cut(text: str, width: int) -> str:
    """The text without its middle, so that it takes ``width`` columns at most."""
    if columns_of(text) <= width:
        return text
    front = _taken(text, (width - 1) // 2)
    behind = _taken(text[::-1], width - 1 - columns_of(front))[::-1]
    return f'{front}{_ELLIPSIS}{behind}'


def _taken(text: str, width: int) -> str:
    """As many characters from the front as fit."""
    taken = 0
    for i, char in enumerate(text):
        taken += _columns_of(char)
        if taken > width:
            return text[:i]
    return text


def columns_of(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1
