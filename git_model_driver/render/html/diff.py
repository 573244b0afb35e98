"""The page of ``git model diff --html``."""
from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.git.ancestry import Commit
from git_model_driver.looking.comparison import Comparison
from git_model_driver.looking.comparison import TensorChange
from git_model_driver.looking.histogram import Histogram
from git_model_driver.render import changes
from git_model_driver.render.html import figures
from git_model_driver.render.html.page import cell
from git_model_driver.render.html.page import head
from git_model_driver.render.html.page import page
from git_model_driver.render.html.page import text

_MOST = 2000        # rows of the table
_COLUMNS = (('', 'text'), ('tensor', 'text'), ('dtype shape', ''),
            ('|d|/|w|', 'number'), ('max|d|', 'number'), ('cosine', 'number'),
            ('changed', 'number'), ('rank', 'number'))


class Side(NamedTuple):
    """What is compared: a commit, or in words the index or the worktree."""

    word: str
    commit: Commit | None = None


class Model(NamedTuple):
    """One model. ``other`` says why a file cannot be compared."""

    path: str
    old_path: str
    found: Comparison
    histograms: Sequence[Histogram]
    other: str = ''


def lines(old: Side, new: Side, models: Sequence[Model]) -> Iterator[str]:
    yield from page('git model diff', _body(old, new, models))


def _body(old: Side, new: Side, models: Sequence[Model]) -> Iterator[str]:
    yield '<div class="sides">'
    yield _side('old', old)
    yield _side('new', new)
    yield '</div>'
    if not models:
        yield '<p>No model differs.</p>'
    for model in models:
        yield from _model(model)


def _side(title: str, side: Side) -> str:
    commit = side.commit
    if commit is None:
        return (f'<div class="panel"><span class="soft">{title}</span><br>'
                f'<strong>{text(side.word)}</strong></div>')
    return (
        f'<div class="panel"><span class="soft">{title}</span><br>'
        f'<strong>{text(commit.subject)}</strong><br><code>{commit.oid[:12]}</code> '
        f'<span class="soft">{text(commit.author)}, {text(commit.written[:10])}'
        '</span></div>'
    )


def _model(model: Model) -> Iterator[str]:
    found = model.found
    path = model.path if model.path == model.old_path else (
        f'{model.old_path} => {model.path}'
    )
    yield f'<h2>{text(path)}</h2>'
    yield f'<p>{text(model.other or changes.counts(found))}</p>'
    if model.other:
        return
    changed = {each.name: each for each in found.tensors}
    drawn = list(figures.heat_map(list(found.new.tensors), changed)) if changed else []
    if drawn:
        yield '<h3>Relative change by layer and module</h3>'
        yield from drawn
    if model.histograms:
        yield '<h3>The most changed tensors</h3>'
        yield '<p class="soft">Elements by their change, new minus old; heights by '
        yield 'logarithm.</p><div class="cards">'
        for histogram in model.histograms:
            yield from figures.histogram(histogram)
        yield '</div>'
    if found.lines:
        yield from _metadata(found)
    if changed:
        yield from _table(found.tensors)


def _metadata(found: Comparison) -> Iterator[str]:
    yield '<h3>Metadata and architecture</h3><div class="panel lines">'
    for line in found.lines:
        for mark, value, tag in (('-', line.old, 'del'), ('+', line.new, 'ins')):
            if value is not None:
                said = f'{mark} {text(line.key)} {text(value)}'
                yield f'<code><{tag}>{said}</{tag}></code>'
    yield '</div>'


def _table(tensors: Sequence[TensorChange]) -> Iterator[str]:
    yield f'<h3>Tensors</h3><div class="wide"><table>{head(_COLUMNS)}<tbody>'
    for each in tensors[:_MOST]:
        yield f'<tr>{"".join(_row(each))}</tr>'
    yield '</tbody></table></div>'
    if len(tensors) > _MOST:
        yield (f'<p class="soft">and {len(tensors) - _MOST} more: '
               '<code>git model diff --json</code> has all.</p>')


def _row(each: TensorChange) -> Iterator[str]:
    name = each.name
    if each.kind == 'R' and each.old:
        name = f'{each.old.name} => {name}'
    yield cell(each.kind, kind=each.kind)
    yield cell(name, kind='name')
    yield cell(changes.structure(each))
    change = each.change
    if change is None:
        yield cell(each.lacking or '-', -1.0, 'n')
        yield cell('-', -1.0, 'n') * 4
        return
    share = change.changed / change.elements if change.elements else 0.0
    values = (change.sums.relative, change.largest, change.sums.cosine, share,
              float(change.rank or 0))
    for name, value in zip(changes.METRICS, values):
        finite = value if math.isfinite(value) else math.copysign(1e308, value)
        yield cell(changes.METRICS[name].show(change), finite, 'n')
