"""The size of the store over ten commits, a panel per sequence and dtype, as SVG."""
from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from tools import LFS
from tools import OURS
from tools import PLAIN
from tools import THETA

ZIPNN = 'zipnn'
TOOLS = {
    LFS: ('#8c8c8c', '2 3', LFS),
    PLAIN: ('#c9731a', '6 3', 'git, before gc'),
    THETA: ('#3d9447', '8 3 2 3', THETA),
    ZIPNN: ('#a063c8', '1 3', 'zipnn, each alone'),
    OURS: ('#2f80e0', '', OURS),
}
WIDTH, HEIGHT, GAP_X, GAP_Y = 210, 150, 66, 58
LEFT, TOP, MOST = 52, 92, 10
_STYLE = '''
text { font: 12px system-ui, sans-serif; fill: #777; }
.title { font-size: 15px; font-weight: 600; }
.panel { font-weight: 600; }
.grid { stroke: #8886; stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
@media (prefers-color-scheme: light) { text { fill: #333; } }
@media (prefers-color-scheme: dark) { text { fill: #ddd; } }
'''
Record = dict[str, Any]


def svg(known: Record) -> str:
    """``known`` is by dtype, sequence and tool."""
    dtypes = list(known)
    columns = max(map(len, known.values()))
    width = LEFT + columns * (WIDTH + GAP_X)
    height = TOP + len(dtypes) * (HEIGHT + GAP_Y)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        '<title>Bytes stored after each of ten commits</title>',
        f'<style>{_STYLE}</style>',
        _text(LEFT, 22, 'Bytes stored after each of ten commits, in units of one model',
              'title'),
        *_legend(),
    ]
    for row, dtype in enumerate(dtypes):
        for column, name in enumerate(known[dtype]):
            left, top = LEFT + column * (WIDTH + GAP_X), TOP + row * (HEIGHT + GAP_Y)
            lines.append(f'<g transform="translate({left} {top})">')
            lines += _panel(f'{dtype}, {name}', known[dtype][name])
            lines.append('</g>')
    return '\n'.join([*lines, '</svg>']) + '\n'


def _legend() -> Iterator[str]:
    at = LEFT
    for tool in (*TOOLS, None):
        if tool is None:
            yield f'<rect x="{at + 8}" y="39" width="8" height="8" fill="none" '\
                  'stroke="#888" stroke-width="2"/>'
            yield _text(at + 26, 48, 'after gc')
            return
        colour, dash, label = TOOLS[tool]
        yield f'<path class="line" d="M{at} 43h20" stroke="{colour}"{_dash(dash)}/>'
        yield _text(at + 26, 48, label)
        at += 48 + 7 * len(label)


def _panel(title: str, record: Record) -> Iterator[str]:
    yield _text(0, -10, title, 'panel')
    for value in range(0, MOST + 1, 2):
        y = _y(value)
        yield f'<path class="grid" d="M0 {y}H{WIDTH}"/>'
        yield _text(-8, y + 4, str(value), anchor='end')
    for number in (1, 4, 7, 10):
        yield _text(_x(number), HEIGHT + 18, str(number), anchor='middle')
    for tool, (colour, dash, _) in TOOLS.items():
        if tool in record:
            yield from _curve(record[tool], record['model']['bytes'], colour, dash,
                              label=tool == OURS)


def _curve(
    record: Record, one: int, colour: str, dash: str, label: bool,
) -> Iterator[str]:
    points = [f'{_x(i)} {_y(size / one)}' for i, size in enumerate(record['sizes'], 1)]
    yield (f'<path class="line" d="M{"L".join(points)}" stroke="{colour}"'
           f'{_dash(dash)}/>')
    if label:
        last = record['sizes'][-1] / one
        yield _text(WIDTH + 8, _y(last) + 4, f'{last:.2f}', 'panel')
    if 'gc size' in record:
        size = record['gc size'] / one
        yield (f'<rect x="{WIDTH - 4:.1f}" y="{float(_y(size)) - 4:.1f}" width="8" '
               f'height="8" fill="none" stroke="{colour}" stroke-width="2"/>')


def _x(number: int) -> str:
    return f'{(number - 1) / 9 * WIDTH:.1f}'


def _y(value: float) -> float:
    return round(HEIGHT * (1 - value / MOST), 1)


def _dash(dash: str) -> str:
    return f' stroke-dasharray="{dash}"' if dash else ''


def _text(
    x: float | str, y: float, text: str, kind: str = '', anchor: str = 'start',
) -> str:
    named = f' class="{kind}"' if kind else ''
    placed = f' text-anchor="{anchor}"' if anchor != 'start' else ''
    return f'<text x="{x}" y="{y}"{named}{placed}>{escape(text)}</text>'
