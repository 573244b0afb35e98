"""The frame of a page: one file, no network, light and dark, readable without script.

All text comes from repositories: it is escaped, and a policy in the page forbids it
to load anything.
"""
from __future__ import annotations

import html
from collections.abc import Iterable
from collections.abc import Iterator

from git_model_driver.core import words

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_STYLE = '''
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0;
  --paper: #ffffff; --panel: #f6f8fa; --accent: #0969da; --old: #cf222e;
  --new: #1a7f37; --h0: #edf2f7; --h1: #dbe9f6; --h2: #bad6eb; --h3: #89bedc;
  --h4: #539ecd; --h5: #2b7bba; --h6: #0b559f; --h7: #08306b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1;
  --line: #3d444d; --paper: #0d1117; --panel: #151b23; --accent: #4493f8;
  --old: #f85149; --new: #3fb950; --h0: #1c232c; --h1: #16304d; --h2: #1b4472;
  --h3: #225c9b; --h4: #2f78c4; --h5: #5598e0; --h6: #8cbcf2; --h7: #d2e6ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem;
  overflow-wrap: anywhere; } h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
code, td, th, svg text { font-family: ui-monospace, "DejaVu Sans Mono", monospace;
  font-size: 13px; } svg text { fill: var(--ink); }
.soft { color: var(--soft); } svg text.soft { fill: var(--soft); }
.sides { display: grid; gap: 1rem; grid-template-columns:
  repeat(auto-fit, minmax(18rem, 1fr)); }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: .75rem 1rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line);
  white-space: nowrap; } th { position: sticky; top: 0; background: var(--paper); }
td.name { white-space: normal; overflow-wrap: anywhere; min-width: 16rem; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid
  var(--accent); } th[aria-sort=ascending] button::after { content: " \\25b2"; }
th[aria-sort=descending] button::after { content: " \\25bc"; }
del, .D { color: var(--old); text-decoration: none; } ins, .A { color: var(--new);
  text-decoration: none; } .lines code { display: block; white-space: pre-wrap; }
.cards { display: grid; gap: 1rem; grid-template-columns:
  repeat(auto-fill, minmax(20rem, 1fr)); } .cards .panel code { font-size: 12px; }
.bar { fill: var(--accent); } .dot { fill: var(--old); } .zero { fill: var(--soft); }
.log { position: relative; display: flex; } .graph { flex: none; }
.log table { display: table; } table.log { table-layout: fixed; min-width: 54rem; }
table.log td { height: 56px; padding: 0 .6rem; overflow: hidden; }
table.log td:nth-child(1) { width: 30%; } table.log td:nth-child(2) { width: 24%; }
table.log td:nth-child(3) { width: 14%; white-space: normal; }
table.log td:nth-child(4) { width: 190px; }
.cut { max-height: 3em; overflow: hidden; text-overflow: ellipsis; }
.edge { fill: none; stroke: var(--soft); stroke-width: 2; }
.axis { stroke: var(--line); }
''' + ''.join(f'.h{n} {{ fill: var(--h{n}); }}\n' for n in range(8))
# Sorting only: the page is whole without it.
_SCRIPT = '''
for (const th of document.querySelectorAll("th[data-sort]")) {
  const button = document.createElement("button");
  button.append(...th.childNodes); th.append(button);
  button.onclick = () => {
    const body = th.closest("table").tBodies[0], i = th.cellIndex;
    const up = th.ariaSort === "descending" ? 1 : -1;
    for (const other of th.parentNode.cells) other.removeAttribute("aria-sort");
    th.ariaSort = up > 0 ? "ascending" : "descending";
    const key = row => row.cells[i].dataset.v ?? row.cells[i].textContent;
    const order = (a, b) => th.dataset.sort === "number"
      ? Number(key(a)) - Number(key(b))
      : key(a).localeCompare(key(b), undefined, {numeric: true});
    body.append(...[...body.rows].sort((a, b) => up * order(a, b)));
  };
}
'''


def text(words_: str) -> str:
    """Escaped for a page; what it would not show is ``\\uXXXX``."""
    return html.escape(words.printable(words_))


def page(title: str, body: Iterable[str]) -> Iterator[str]:
    yield '<!DOCTYPE html>'
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<title>{text(title)}</title><style>{_STYLE}</style></head><body>'
    yield f'<h1>{text(title)}</h1>'
    yield from body
    yield f'<script>{_SCRIPT}</script></body></html>'


def cell(words_: str, value: float | None = None, kind: str = '') -> str:
    """``value`` is what to sort by."""
    sorting = '' if value is None else f' data-v="{value!r}"'
    return f'<td{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}{sorting}>' \
        f'{text(words_)}</td>'


def head(columns: Iterable[tuple[str, str]]) -> str:
    """Titles with how they are sorted: ``number``, ``text`` or '' for not."""
    found = []
    for title, sort in columns:
        kind = ' class="n"' if sort == 'number' else ''
        by = f' data-sort="{sort}"' if sort else ''
        found.append(f'<th scope="col"{kind}{by}>{text(title)}</th>')
    return f'<thead><tr>{"".join(found)}</tr></thead>'
