"""The page of ``git model evaluate --html``: a box for each version."""
from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core import words
from git_model_driver.render.evaluation import Compared
from git_model_driver.render.evaluation import Scored
from git_model_driver.render.evaluation import digits_for
from git_model_driver.render.evaluation import interval
from git_model_driver.render.evaluation import number
from git_model_driver.render.evaluation import p_value
from git_model_driver.render.html.page import cell
from git_model_driver.render.html.page import head
from git_model_driver.render.html.page import page
from git_model_driver.render.html.page import text
from git_model_driver.render.table import cut

_WIDTH, _ROW, _LEFT, _MARGIN = 900, 34, 240, 24     # pixels
_LONGEST = 28                                       # letters of a label


class _Box(NamedTuple):
    """A row of a plot: a dot for each of ``scores``, a box, and a mark in it."""

    name: str
    scores: Sequence[float]
    low: float
    high: float
    mark: float


def lines(
    title: str, scored: Sequence[Scored], compared: Sequence[Compared],
    limits: Sequence[str],
) -> Iterator[str]:
    """Boxes are from quartile to quartile of the folds' scores, lines their range; of
    gains, the box is the 95 % interval of their mean.
    """
    yield from page(title, _body(scored, compared, limits))


def _body(
    scored: Sequence[Scored], compared: Sequence[Compared], limits: Sequence[str],
) -> Iterator[str]:
    yield '<h2>Scores</h2>'
    yield '<p class="soft">A dot for each fold; the middle half is in the box.</p>'
    yield from _plot([
        _Box(each.name, each.fold_scores, *(
            _quantile(each.fold_scores, share) for share in (.25, .75, .5)
        )) for each in scored
    ])
    yield from _scores(scored)
    if compared:
        yield '<h2>Gains</h2>'
        yield '<p class="soft">Fold by fold; the box is the mean, 95 % interval.</p>'
        yield from _plot([
            _Box(each.name, each.gains, each.low, each.high, each.gain)
            for each in compared
        ])
        yield from _gains(compared)
    for line in limits:
        yield f'<p>{text(line)}</p>'


def _plot(boxes: Sequence[_Box]) -> Iterator[str]:
    values = [v for box in boxes for v in (*box.scores, box.low, box.high)]
    finite = [v for v in values if math.isfinite(v)]
    low, high = min(finite), max(finite)
    span = (high - low) or 1.0

    def x(value: float) -> float:
        """An end without bound is at the edge."""
        inside = min(max(value, low), high)
        return _LEFT + (inside - low) / span * (_WIDTH - _LEFT - _MARGIN)

    tall = _ROW * len(boxes) + 2 * _MARGIN
    digits = digits_for([span])
    yield (f'<div class="wide"><svg role="img" aria-label="box plot" width="{_WIDTH}" '
           f'height="{tall}">')
    for at in (low, (low + high) / 2, high):
        yield (f'<text class="soft" x="{x(at):.1f}" y="{tall - 4}" '
               f'text-anchor="middle">{number(at, digits)}</text>')
    if low < 0 < high:
        yield (f'<line class="axis" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" '
               f'y2="{tall - _MARGIN}"/>')
    for row, box in enumerate(boxes):
        middle = _MARGIN / 2 + _ROW * (row + .5)
        yield (f'<text x="0" y="{middle + 5:.1f}">'
               f'{text(cut(words.printable(box.name), _LONGEST))}</text>')
        yield (f'<line class="axis" x1="{x(min(box.scores)):.1f}" '
               f'x2="{x(max(box.scores)):.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>')
        yield _rect('h3', x(box.low), x(box.high), middle)
        yield _rect('h6', x(box.mark) - 1, x(box.mark) + 1, middle)
        for score in box.scores:
            yield (f'<circle class="dot" cx="{x(score):.1f}" cy="{middle:.1f}" r="3">'
                   f'<title>{number(score, digits)}</title></circle>')
    yield '</svg></div>'


def _rect(kind: str, left: float, right: float, y: float) -> str:
    return (f'<rect class="{kind}" x="{left:.1f}" y="{y - 9:.1f}" '
            f'width="{max(right - left, 1):.1f}" height="18"/>')


def _quantile(scores: Sequence[float], share: float) -> float:
    """Linear between ranks, as NumPy's default."""
    ordered = sorted(scores)
    at = share * (len(ordered) - 1)
    i = min(int(at), len(ordered) - 1)
    after = ordered[min(i + 1, len(ordered) - 1)]
    return ordered[i] + (after - ordered[i]) * (at - i)


def _scores(scored: Sequence[Scored]) -> Iterator[str]:
    digits = digits_for([each.sd for each in scored])
    yield '<div class="wide"><table>' + head([
        ('version', 'text'), ('n', 'number'), ('mean', 'number'), ('sd', 'number'),
        ('95 % interval', ''),
    ]) + '<tbody>'
    for each in scored:
        cells = (
            cell(each.name, kind='name'), cell(str(each.n), each.n, 'n'),
            cell(number(each.mean, digits), each.mean, 'n'),
            cell(number(each.sd, digits), each.sd, 'n'),
            cell(interval(each.low, each.high, digits)),
        )
        yield f'<tr>{"".join(cells)}</tr>'
    yield '</tbody></table></div>'


def _gains(compared: Sequence[Compared]) -> Iterator[str]:
    digits = digits_for([each.high - each.low for each in compared])
    yield '<div class="wide"><table>' + head([
        ('version', 'text'), ('gain', 'number'), ('95 % interval', ''),
        ('p', 'number'), ('Holm', 'number'), ('won', 'number'), ('lost', 'number'),
        ('test', 'text'),
    ]) + '<tbody>'
    for each in compared:
        cells = (
            cell(each.name, kind='name'),
            cell(number(each.gain, digits, True), each.gain, 'n'),
            cell(interval(each.low, each.high, digits, True)),
            *(cell(p_value(p), p, 'n') for p in (each.p, each.holm)),
            *(cell(str(n), n, 'n') for n in (each.wins, each.losses)), cell(each.test),
        )
        yield f'<tr>{"".join(cells)}</tr>'
    yield '</tbody></table></div>'
