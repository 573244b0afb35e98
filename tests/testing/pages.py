"""What a browser would make of a page, as far as structure goes."""
from __future__ import annotations

from html.parser import HTMLParser

VOID = {'meta', 'br', 'rect', 'line', 'circle', 'path'}
LOADING = {'src', 'href', 'xlink:href', 'action', 'data', 'poster', 'srcset'}


class Page(HTMLParser):
    """Checks that elements are closed in order and that nothing is loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        assert not {name for name, _ in attrs} & LOADING
        assert not any(name.startswith('on') for name, _ in attrs)
        assert tag not in ('img', 'link', 'iframe', 'object', 'b')
        if tag not in VOID:
            self.open.append(tag)
        if tag == 'tr':
            self.rows.append([])

    def handle_startendtag(
        self, tag: str, attrs: list[tuple[str, str | None]],
    ) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ('style', 'script'):
            self.words.append(data)
        if 'tr' in self.open and data.strip():
            self.rows[-1].append(data)

    @property
    def text(self) -> str:
        return ''.join(self.words)
