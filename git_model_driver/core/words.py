r"""Words of a manifest line, and the order and groups of tensor names.

A word that is printable ASCII and does not begin with a quote stands bare. Any
other is a JSON string in which spaces, control characters and characters that a
terminal shows as nothing or as a change of direction are ``\uXXXX``, so that
every line splits on spaces and no name can forge a line (docs/spec.md, 2).
"""
from __future__ import annotations

import re
from typing import Union

_BARE = re.compile(r'[!#-~][!-~]*')
_UNESCAPED = re.compile(r'"[!#-\[\]-~]*"')
# Not compiled before they are needed: that takes 1.5 ms.
_ESCAPED = (
    '[\x00-\x20"\\\\\x7f-\xa0\xad\u061c\u1680\u2000-\u200f\u2028-\u202f'
    '\u205f-\u206f\u3000\ud800-\udfff\ufeff\ufff9-\ufffb]'
)
_UNSEEN = (
    '[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]'
)
_PLAIN = r'[\w@%+=:,./-]+'
_GROUP = r'(?s:.*?[./])??[0-9]+(?=[./]|$)'
_DIGITS = re.compile('([0-9]+)')

NaturalKey = tuple[list[Union[int, str]], str]


def quote(text: str) -> str:
    """The JSON string form, always quoted."""
    return f'"{re.sub(_ESCAPED, _escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return '\\' + char if char in '"\\' else f'\\u{ord(char):04x}'


def encode(text: str) -> str:
    """Bare where that is unambiguous, else quoted."""
    return text if _BARE.fullmatch(text) else quote(text)


def decode(word: str) -> str:
    """Inverse of encode and quote. Raises ValueError for a malformed word."""
    if not word.startswith('"'):
        return word
    if _UNESCAPED.fullmatch(word):
        return word[1:-1]
    import json  # 4 ms

    text = json.loads(word)
    if not isinstance(text, str):
        raise ValueError(word)
    text.encode()       # a lone surrogate is no text: UnicodeEncodeError
    return text


def printable(text: str) -> str:
    """For a terminal: what it would obey or not show is ``\\uXXXX``."""
    return re.sub(_UNSEEN, _escape, text)


def shell(text: str) -> str:
    """One word of a command that a hint tells people to type."""
    if text.startswith('-'):
        text = f'./{text}'      # a file; no option
    if re.fullmatch(_PLAIN, text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def natural_key(name: str) -> NaturalKey:
    """Sort key in which runs of ASCII digits compare as numbers: 2 before 10."""
    first, *rest = _DIGITS.split(name)
    key: list[int | str] = [first]
    for digits, text in zip(rest[::2], rest[1::2]):
        # Compared by length and then as text: no int(), which has a limit.
        digits = digits.lstrip('0')
        key += len(digits), digits, text
    return key, name


def group(name: str) -> str:
    """The name up to its first part that is all digits, or '' if it has none.

    Parts are separated by ``.`` or ``/``: ``model.layers.0.mlp`` is in the
    group ``model.layers.0``.
    """
    match = re.match(_GROUP, name)
    return match[0] if match else ''
