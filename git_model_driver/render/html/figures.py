"""Drawings as inline SVG; colours are the page's."""
from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from git_model_driver.core import words
from git_model_driver.looking.comparison import TensorChange
from git_model_driver.looking.histogram import BINS
from git_model_driver.looking.histogram import Histogram
from git_model_driver.render.changes import number
from git_model_driver.render.html.page import text
from git_model_driver.render.table import cut

_CELL, _ROW, _LETTER = 26, 20, 7.9          # pixels
_STEPS = 7
_MOST_ROWS, _MOST_COLUMNS = 160, 60
_LONGEST = 28                               # letters of a label


def heat_map(
    names: Sequence[str], changed: Mapping[str, TensorChange],
) -> Iterator[str]:
    """Layers down, modules across; the darker, the larger |d|/|w|, by logarithm.

    ``names`` are all tensors. Nothing where they have no two layers.
    """
    grid: dict[str, dict[str, str]] = {}
    for name in names:
        layer = words.group(name)
        if layer:
            grid.setdefault(layer, {})[name[len(layer):].lstrip('./')] = name
    if len(grid) < 2:
        return
    layers = sorted(grid, key=words.natural_key)
    modules = list(dict.fromkeys(m for layer in layers for m in grid[layer]))
    yield from _grid(layers[:_MOST_ROWS], modules[:_MOST_COLUMNS], grid, changed)
    left = len(layers) > _MOST_ROWS or len(modules) > _MOST_COLUMNS
    if left:
        yield (f'<p class="soft">The first {_MOST_ROWS} layers and {_MOST_COLUMNS} '
               'modules; all changes are in the table.</p>')


def _grid(
    layers: Sequence[str], modules: Sequence[str],
    grid: Mapping[str, Mapping[str, str]], changed: Mapping[str, TensorChange],
) -> Iterator[str]:
    left = _LETTER * max(len(cut(layer, _LONGEST)) for layer in layers) + 8
    top = 0.72 * _LETTER * max(len(cut(m, _LONGEST)) for m in modules) + 14
    width = left + _CELL * len(modules) + top
    height = top + _ROW * len(layers) + 4
    least, most = _range(changed)
    yield (f'<div class="wide"><svg role="img" aria-label="heat map" '
           f'width="{width:.0f}" height="{height:.0f}">')
    for j, module in enumerate(modules):
        x, y = left + _CELL * j + _CELL / 2, top - 6
        yield (f'<text transform="translate({x:.1f} {y:.1f}) rotate(-45)">'
               f'{_label(module)}</text>')
    for i, layer in enumerate(layers):
        y = top + _ROW * i
        yield (f'<text x="{left - 6:.1f}" y="{y + 15:.1f}" text-anchor="end">'
               f'{_label(layer)}</text>')
        for j, module in enumerate(modules):
            name = grid[layer].get(module)
            if name is not None:
                shade, said = _shade(changed.get(name), least, most)
                yield (f'<rect class="h{shade}" x="{left + _CELL * j:.1f}" '
                       f'y="{y:.1f}" width="{_CELL - 2}" height="{_ROW - 2}" rx="2">'
                       f'<title>{text(name)}: {said}</title></rect>')
    yield '</svg></div>'
    yield _legend(least, most)


def _label(name: str) -> str:
    return text(cut(words.printable(name), _LONGEST))


def _range(changed: Mapping[str, TensorChange]) -> tuple[float, float]:
    """Of the logarithms of what can be drawn."""
    found = [
        math.log10(each.change.sums.relative) for each in changed.values()
        if each.change and 0 < each.change.sums.relative < math.inf
    ]
    return (min(found), max(found)) if found else (0.0, 0.0)


def _shade(
    each: TensorChange | None, least: float, most: float,
) -> tuple[int, str]:
    if each is None:
        return 0, 'unchanged'
    if each.change is None:
        return _STEPS, {'A': 'added', 'R': 'renamed'}.get(each.kind, 'changed')
    value = each.change.sums.relative
    if not value or math.isinf(value):
        return (_STEPS, 'from zero') if value else (1, 'the same values')
    share = (math.log10(value) - least) / (most - least) if most > least else 1.0
    return 1 + round(share * (_STEPS - 1)), f'|d|/|w| {number(value)}'


def _legend(least: float, most: float) -> str:
    shades = ''.join(
        f'<rect class="h{n}" x="{n * 18}" y="2" width="16" height="14" rx="2"/>'
        for n in range(_STEPS + 1)
    )
    ends = f'{number(10 ** least)} to {number(10 ** most)}'
    return (f'<p class="soft"><svg width="150" height="18" aria-hidden="true">{shades}'
            f'</svg> unchanged, then |d|/|w| from {ends}, by logarithm</p>')


def histogram(found: Histogram) -> Iterator[str]:
    """A card: how many elements changed by how much, counts by logarithm."""
    width, height = 6.6, 90.0
    most = math.log10(1 + max(found.counts))
    yield f'<figure class="panel" style="margin:0"><code>{text(found.name)}</code>'
    yield ('<svg role="img" aria-label="histogram" width="100%" '
           f'viewBox="0 0 {BINS * width:.0f} {height + 20:.0f}">')
    for i, count in enumerate(found.counts):
        tall = height * math.log10(1 + count) / most
        kind = 'zero' if i == BINS // 2 else 'bar'
        yield (f'<rect class="{kind}" x="{i * width:.1f}" y="{height - tall:.1f}" '
               f'width="{width - 1:.1f}" height="{tall:.1f}"><title>{count}</title>'
               '</rect>')
    end, middle = BINS * width, BINS * width / 2
    yield (f'<line class="axis" x1="0" x2="{end:.0f}" y1="{height:.0f}" '
           f'y2="{height:.0f}"/>')
    for x, anchor, said in (
        (0.0, 'start', f'-{number(found.largest)}'), (middle, 'middle', '0'),
        (end, 'end', number(found.largest)),
    ):
        yield (f'<text class="soft" x="{x:.0f}" y="{height + 16:.0f}" '
               f'text-anchor="{anchor}">{said}</text>')
    yield '</svg></figure>'
