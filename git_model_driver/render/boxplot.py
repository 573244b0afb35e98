"""Scores of versions as one self-contained page: a box for each, and what differs."""
from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Optional

from git_model_driver.render.evaluation import Compared
from git_model_driver.render.evaluation import Scored
from git_model_driver.render.evaluation import digits_for
from git_model_driver.render.evaluation import interval
from git_model_driver.render.evaluation import number
from git_model_driver.render.evaluation import p_value

_WIDTH, _ROW, _LEFT, _MARGIN = 720, 34, 180, 24
_STYLE = (
    'body{font:14px sans-serif;margin:2em;max-width:60em}td,th{padding:.2em .8em;'
    'text-align:right}td:first-child,th:first-child{text-align:left}'
    'svg{display:block;margin:1em 0}'
)


def page(
    title: str, scored: Sequence[Scored], compared: Sequence[Compared],
    limits: Sequence[str],
) -> str:
    """The page. Boxes show the quartiles of fold scores, whiskers their range, dots
    each fold; of gains, the box is the 95 % interval of their mean.
    """
    parts = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
        f'<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>',
        f'<h1>{html.escape(title)}</h1>',
        _plot([(each.name, each.fold_scores, None) for each in scored]),
        _table(scored),
    ]
    if compared:
        rows = [(each.name, each.gains, (each.low, each.high)) for each in compared]
        parts += ['<h2>Gain, fold by fold</h2>', _plot(rows), _gains(compared)]
    parts += [f'<p>{html.escape(line)}</p>' for line in limits]
    return '\n'.join([*parts, '</body></html>', ''])


Row = tuple[str, Sequence[float], Optional[tuple[float, float]]]


def _plot(rows: Sequence[Row]) -> str:
    values: list[float] = [
        v for _, scores, ends in rows for v in (*scores, *(ends or ()))
    ]
    finite = [v for v in values if abs(v) != float('inf')]
    low, high = min(finite), max(finite)
    span = (high - low) or 1.0

    def x(value: float) -> float:
        inside: float = min(max(value, low), high)
        return _LEFT + (inside - low) / span * (_WIDTH - _LEFT - _MARGIN)

    height = _ROW * len(rows) + 2 * _MARGIN
    digits = digits_for([span])
    drawn = [f'<svg width="{_WIDTH}" height="{height}" role="img">']
    for at in (low, (low + high) / 2, high):
        drawn.append(f'<text x="{x(at):.1f}" y="{height - 4}" font-size="11" '
                     f'text-anchor="middle">{number(at, digits)}</text>')
    if low < 0 < high:
        drawn.append(f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" '
                     f'y2="{height - _MARGIN}" stroke="#999"/>')
    for i, (name, scores, ends) in enumerate(rows):
        middle = _MARGIN / 2 + _ROW * (i + .5)
        drawn.append(f'<text x="0" y="{middle + 4:.1f}">{html.escape(name)}</text>')
        marks = ends if ends else (quantile(scores, .25), quantile(scores, .75))
        drawn.append(_line(x(min(scores)), x(max(scores)), middle))
        drawn.append(_box(x(marks[0]), x(marks[1]), middle))
        centre = x(sum(scores) / len(scores) if ends else quantile(scores, .5))
        drawn.append(_box(centre - 1, centre + 1, middle, '#024'))
        drawn += [f'<circle cx="{x(v):.1f}" cy="{middle:.1f}" r="3" fill="#d60"/>'
                  for v in scores]
    return '\n'.join([*drawn, '</svg>'])


def _line(left: float, right: float, y: float) -> str:
    return (f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
            'stroke="#024"/>')


def _box(left: float, right: float, y: float, colour: str = '#9cf') -> str:
    return (f'<rect x="{left:.1f}" y="{y - 9:.1f}" width="{max(right - left, 1):.1f}" '
            f'height="18" fill="{colour}" fill-opacity=".7"/>')


def quantile(scores: Sequence[float], share: float) -> float:
    """Linear between ranks, as NumPy's default."""
    ordered = sorted(scores)
    at = share * (len(ordered) - 1)
    i = min(int(at), len(ordered) - 1)
    after = ordered[min(i + 1, len(ordered) - 1)]
    return ordered[i] + (after - ordered[i]) * (at - i)


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [''.join(f'<th>{html.escape(cell)}</th>' for cell in head)]
    lines += [''.join(f'<td>{html.escape(cell)}</td>' for cell in row) for row in rows]
    return '<table>' + ''.join(f'<tr>{line}</tr>' for line in lines) + '</table>'


def _table(scored: Sequence[Scored]) -> str:
    digits = digits_for([each.sd for each in scored])
    return _rows(('version', 'n', 'mean', 'sd', '95 % interval'), [
        (each.name, str(each.n), number(each.mean, digits), number(each.sd, digits),
         interval(each.low, each.high, digits)) for each in scored
    ])


def _gains(compared: Sequence[Compared]) -> str:
    digits = digits_for([each.high - each.low for each in compared])
    head = ('version', 'gain', '95 % interval', 'p', 'Holm', 'won', 'lost', 'test')
    return _rows(head, [
        (each.name, number(each.gain, digits, True),
         interval(each.low, each.high, digits, True), p_value(each.p),
         p_value(each.holm), str(each.wins), str(each.losses), each.test)
        for each in compared
    ])
