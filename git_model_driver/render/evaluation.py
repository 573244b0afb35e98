"""Scores, comparisons and what they cannot show, as text."""
from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple
from typing import Protocol

from git_model_driver.core import words
from git_model_driver.render import table

Row = Sequence[str]


class Scored(NamedTuple):
    """A line of the table of scores; ``fold_scores`` are for pictures."""

    name: str
    n: int
    mean: float
    sd: float
    low: float
    high: float
    fold_scores: Sequence[float] = ()


class Compared(NamedTuple):
    """A line of the table of comparisons."""

    name: str
    test: str
    gain: float
    low: float
    high: float
    p: float
    holm: float
    wins: int
    losses: int
    gains: Sequence[float] = ()


def number(value: float, digits: int, signed: bool = False) -> str:
    if not isfinite(value):
        return '?'
    return f'{value:{"+" if signed else ""}.{digits}f}'


def digits_for(values: Sequence[float]) -> int:
    """Decimals that show three figures of the spread, 4 at least."""
    spread = min((abs(v) for v in values if v and isfinite(v)), default=1.0)
    digits = 4
    while digits < 10 and spread < 10.0 ** (2 - digits):
        digits += 1
    return digits


def p_value(p: float) -> str:
    return f'{p:.4f}' if p >= 0.0001 else f'{p:.1e}'


def interval(low: float, high: float, digits: int, signed: bool = False) -> str:
    ends = number(low, digits, signed), number(high, digits, signed)
    return f'{ends[0]} to {ends[1]}'


def scores(rows: Sequence[Scored]) -> list[str]:
    digits = digits_for([row.sd for row in rows])
    rows_: list[Row] = [('VERSION', 'N', 'MEAN', 'SD', '95 % INTERVAL')]
    for row in rows:
        rows_.append((
            words.printable(row.name), str(row.n), number(row.mean, digits),
            number(row.sd, digits) if row.n > 1 else '?',
            interval(row.low, row.high, digits),
        ))
    return _aligned(rows_)


class About(Protocol):
    """What is said of some scores (evaluation.statistics.Summary)."""

    @property
    def n(self) -> int: ...

    @property
    def mean(self) -> float: ...

    @property
    def sd(self) -> float: ...


def recorded(rows: Sequence[tuple[str, str, str, About]]) -> list[str]:
    """Version, evaluator, metric, and what was found."""
    if not rows:
        return ['nothing is noted on these models']
    digits = digits_for([about.sd for *_, about in rows])
    rows_: list[Row] = [('VERSION', 'N', 'MEAN', 'SD', 'METRIC, EVALUATOR')]
    for name, evaluator, metric, about in rows:
        rows_.append((
            words.printable(name), str(about.n), number(about.mean, digits),
            number(about.sd, digits) if about.n > 1 else '?',
            words.printable(f'{metric}, "{evaluator}"'),
        ))
    return _aligned(rows_)


def comparisons(base: str, rows: Sequence[Compared]) -> list[str]:
    digits = digits_for([row.high - row.low for row in rows])
    rows_: list[Row] = [(
        f'AGAINST {words.printable(base)}', 'GAIN', '95 % INTERVAL', 'P', 'HOLM',
        'WON', 'LOST', 'TEST',
    )]
    for row in rows:
        rows_.append((
            words.printable(row.name), number(row.gain, digits, True),
            interval(row.low, row.high, digits, True), p_value(row.p),
            p_value(row.holm), str(row.wins), str(row.losses), row.test,
        ))
    return _aligned(rows_)


def _aligned(rows: Sequence[Row]) -> list[str]:
    """Columns of words to the left, of numbers to the right."""
    between = [table.RIGHT] * (len(rows[0]) - 2)
    return list(table.lines(rows, [table.LEFT, *between, table.LEFT]))


def limits(
    k: int, half_width: float, least_p: float, examples: int,
) -> list[str]:
    """What so few folds, or examples, cannot show."""
    if half_width == 0:
        return []
    if examples:
        return [
            f'{examples} examples: a difference of less than {half_width:.4g} cannot '
            'be told from chance in any of these.',
        ]
    if k < 2:
        return [
            'One score for each version: nothing can be said about chance. Have the '
            'evaluator use {fold}, or give scores for each example.',
        ]
    return [
        f'{k} folds: a test that assumes no distribution cannot go below '
        f'p = {least_p:.4g}, and a difference of less than {half_width:.4g} cannot be '
        'told from chance in any of these.',
    ]
