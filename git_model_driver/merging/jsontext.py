"""JSON as text: read without loss, written the way a given text is.

Numbers keep the digits they are written with, objects their order. The style of a
text (indentation, escapes, line ends, the last newline) is found by trying.
"""
from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.encoder import encode_basestring
from json.encoder import encode_basestring_ascii
from typing import Any
from typing import NamedTuple
from typing import Optional

_INDENT = re.compile(r'[\[{]\r?\n([ \t]+)\S')
_ESCAPED = re.compile(r'\\u(?!00[01])')      # control characters always are
_WORDS = {True: 'true', False: 'false', None: 'null'}


class Number:
    """A number, and its digits."""

    __slots__ = ('text',)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Number):
            return NotImplemented
        return self.text == other.text or float(self.text) == float(other.text)

    def __hash__(self) -> int:
        return hash(float(self.text))

    def __int__(self) -> int:
        """Raises ValueError for anything but an integer."""
        return int(self.text)

    def __repr__(self) -> str:
        return f'Number({self.text!r})'


class Style(NamedTuple):
    """``indent`` None is a text on one line; ``flat`` arrays stand on one line."""

    indent: Optional[str] = '  '
    ascii: bool = False
    spaced: bool = True
    flat: bool = False
    crlf: bool = False
    newline: bool = True


def parse(data: bytes) -> Any:
    """The document. Raises ValueError for what is no JSON or says a thing twice."""
    return json.loads(
        data.decode(), parse_float=Number, parse_int=Number, parse_constant=Number,
        object_pairs_hook=_object,
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError('a key stands twice in an object')
    return found


def style_of(data: bytes, document: Any) -> Style:
    """The style in which the document is that text, or one close to it."""
    text = data.decode()
    indent = _INDENT.search(text)
    style = Style(
        indent[1] if indent else None,
        text.isascii() and _ESCAPED.search(text) is not None,
        indent is not None or '": ' in text, False, '\r\n' in text, text.endswith('\n'),
    )
    flat = style._replace(flat=True)
    same = style.indent is None or write(document, style) == data
    return style if same or write(document, flat) != data else flat


def write(document: Any, style: Style) -> bytes:
    text = ''.join(_written(document, style, '\n'))
    if style.newline:
        text += '\n'
    if style.crlf:
        text = text.replace('\n', '\r\n')
    return text.encode()


def _written(value: Any, style: Style, line: str) -> Iterator[str]:
    if isinstance(value, str):
        yield _quoted(value, style)
    elif isinstance(value, Number):
        yield value.text
    elif isinstance(value, dict):
        colon = ': ' if style.spaced else ':'
        pairs = ((f'{_quoted(key, style)}{colon}', item) for key, item in value.items())
        yield from _listed('{}', pairs, style, line)
    elif isinstance(value, list):
        inside = style._replace(indent=None) if style.flat else style
        yield from _listed('[]', (('', item) for item in value), inside, line)
    else:
        yield _WORDS[value]


def _listed(
    brackets: str, pairs: Iterator[tuple[str, Any]], style: Style, line: str,
) -> Iterator[str]:
    inner, between = '', ', ' if style.spaced else ','
    if style.indent is not None:
        inner = line + style.indent
        between = ',' + inner
    before = inner
    yield brackets[0]
    for key, item in pairs:
        yield before + key
        yield from _written(item, style, inner or line)
        before = between
    if before != inner and style.indent is not None:
        yield line
    yield brackets[1]


def _quoted(text: str, style: Style) -> str:
    return encode_basestring_ascii(text) if style.ascii else encode_basestring(text)
