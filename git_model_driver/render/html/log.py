"""The page of ``git model log --html``."""
from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple
from typing import Optional

from git_model_driver.evaluation.records import Record
from git_model_driver.git.ancestry import Commit
from git_model_driver.history import lanes
from git_model_driver.history.changes import Model
from git_model_driver.history.how import How
from git_model_driver.history.lanes import Drawing
from git_model_driver.render import history
from git_model_driver.render.changes import number
from git_model_driver.render.html.page import page
from git_model_driver.render.html.page import text

_ROW, _LANE, _TOP = 56, 18, 28      # pixels; the first row's middle
_BAR = 90


class Version(NamedTuple):
    """A model in a commit. ``norm`` is that of the change beside the first parent,
    over all elements; None where there is none to be had.
    """

    model: Model
    how: How
    norm: Optional[float]
    scores: Sequence[Record]


class Step(NamedTuple):
    commit: Commit
    versions: Sequence[Version]


def lines(steps: Sequence[Step], left: bool) -> Iterator[str]:
    """``left``: there are older ones, which are not shown."""
    yield from page('git model log', _body(steps, left))


def _body(steps: Sequence[Step], left: bool) -> Iterator[str]:
    if not steps:
        yield '<p>No commit changed a model.</p>'
        return
    drawing = lanes.draw([(s.commit.oid, s.commit.parents) for s in steps])
    wide = drawing.width * _LANE + 8
    norms = [v.norm for s in steps for v in s.versions if v.norm]
    span = (math.log10(min(norms)), math.log10(max(norms))) if norms else (0.0, 0.0)
    yield '<p class="soft">Newest first. |d| is the Euclidean norm of the change beside'
    yield 'the first parent; bars by logarithm.</p>'
    yield '<div class="wide"><div class="log">'
    yield from _graph(drawing, wide, len(steps) * _ROW)
    yield '<table class="log"><tbody>'
    for step in steps:
        yield from _row(step, span)
    yield '</tbody></table></div></div>'
    if left:
        yield '<p class="soft">Older commits are not shown: see <code>-n</code>.</p>'


def _graph(drawing: Drawing, wide: int, tall: int) -> Iterator[str]:
    yield (f'<svg role="img" aria-label="history" width="{wide}" height="{tall}" '
           'class="graph">')
    for line in drawing.lines:
        yield f'<path class="edge" d="{_path(line, drawing)}"/>'
    for row, lane in enumerate(drawing.lanes):
        yield f'<circle class="bar" cx="{_x(lane)}" cy="{_y(row)}" r="5"/>'
    yield '</svg>'


def _x(lane: int) -> int:
    return 10 + lane * _LANE


def _y(row: int) -> int:
    return _TOP + row * _ROW


def _path(line: lanes.Line, drawing: Drawing) -> str:
    """Over to the lane, down, and over to the parent."""
    x, y, along = _x(drawing.lanes[line.child]), _y(line.child), _x(line.lane)
    half = _ROW // 2
    said = f'M{x} {y}C{x} {y + half} {along} {y + half} {along} {y + _ROW}'
    if line.parent is None:
        return f'M{x} {y}L{along} {y + half}'
    end, below = _x(drawing.lanes[line.parent]), _y(line.parent)
    if line.parent == line.child + 1:
        return f'M{x} {y}C{x} {y + half} {end} {y + half} {end} {below}'
    return (f'{said}L{along} {below - _ROW}'
            f'C{along} {below - half} {end} {below - half} {end} {below}')


def _row(step: Step, span: tuple[float, float]) -> Iterator[str]:
    commit = step.commit
    yield '<tr><td><div class="cut">'
    yield f'<strong>{text(commit.subject)}</strong><br>'
    yield (f'<code>{commit.oid[:8]}</code> <span class="soft">'
           f'{text(commit.author)}, {text(commit.written[:10])}</span></div></td>')
    for version in step.versions[:1]:
        yield from _version(version, span, len(step.versions) - 1)
    if not step.versions:
        yield '<td colspan="4"></td>'
    yield '</tr>'


def _version(
    version: Version, span: tuple[float, float], more: int,
) -> Iterator[str]:
    model, came = version.model, history.how(version.how)
    also = f', and {more} more' if more else ''
    yield (f'<td><div class="cut">{text(model.file.path)}{also}<br>'
           f'<span class="soft">{text(history.counts(model))}</span></div></td>')
    yield f'<td><div class="cut">{text(came)}</div></td>'
    yield f'<td class="n">{_bar(version.norm, span)}</td>'
    scores = '<br>'.join(_score(record) for record in version.scores[:2])
    yield f'<td><div class="cut">{scores}</div></td>'


def _bar(norm: float | None, span: tuple[float, float]) -> str:
    if norm is None:
        return ''
    least, most = span
    share = 1.0
    if norm and most > least:
        share = 0.1 + 0.9 * (math.log10(norm) - least) / (most - least)
    length = _BAR * share if norm else 0
    return (f'{number(norm)} <svg width="{_BAR}" height="10" aria-hidden="true">'
            f'<rect class="bar" width="{length:.0f}" height="10" rx="2"/></svg>')


def _score(record: Record) -> str:
    scores = record.scores[record.metric]
    mean = math.fsum(scores) / len(scores)
    return f'{mean:.4g} {text(record.metric)}'
