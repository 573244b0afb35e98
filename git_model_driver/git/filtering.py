"""Which filter a path has by the .gitattributes of a tree, as Git reads them.

``git check-attr`` looks at the worktree and the index only (before Git 2.40), and a
history has as many versions of these files as it has.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from git_model_driver.git import wildmatch

NAME = b'.gitattributes'
_LINE = re.compile(rb'[ \t\r]*("(?:[^"\\]|\\.)*"(?=[ \t\r]|$)|[^ \t\r#][^ \t\r]*)(.*)',
                   re.DOTALL)
_C_ESCAPE = re.compile(rb'\\([0-3][0-7]{2}|.)', re.DOTALL)
_C_LETTERS = dict(zip(b'abfnrtv\\"', b'\a\b\f\n\r\t\v\\"'))
_MACRO = b'[attr]'

Value = bytes       # b'set', b'unset', b'unspecified' or the value itself
SET, UNSET, UNSPECIFIED = b'set', b'unset', b'unspecified'


class Line(NamedTuple):
    """A line that says something: its pattern as it is written, and the rest."""

    pattern: bytes
    rest: bytes

    @property
    def settings(self) -> list[tuple[bytes, Value]]:
        return [_setting(word) for word in self.rest.split()]

    @property
    def is_macro(self) -> bool:
        return self.pattern.startswith(_MACRO)

    def says(self, name: bytes, value: Value) -> bool:
        return dict(self.settings).get(name) == value


def parsed(line: bytes) -> Line | None:
    """None for blank lines and comments."""
    match = _LINE.fullmatch(line)
    return Line(match[1], match[2]) if match else None


def _setting(word: bytes) -> tuple[bytes, Value]:
    if word.startswith(b'-'):
        return word[1:], UNSET
    if word.startswith(b'!'):
        return word[1:], UNSPECIFIED
    name, equals, value = word.partition(b'=')
    return name, value if equals else SET


def unquoted(pattern: bytes) -> bytes:
    """The glob that a pattern is, without its C quotes."""
    if not pattern.startswith(b'"'):
        return pattern
    return _C_ESCAPE.sub(_plain, pattern[1:-1])


def _plain(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    if len(escape) == 3:
        return bytes([int(escape, 8)])
    return bytes([_C_LETTERS.get(escape[0], escape[0])])


class Glob:
    """A pattern in the .gitattributes of a folder (``b''``, or with a slash)."""

    def __init__(self, pattern: bytes, folder: bytes = b'', fold: bool = False) -> None:
        glob = unquoted(pattern)
        self._never = glob.startswith(b'!') or glob.endswith(b'/')
        self._folder = folder
        self.is_anywhere = b'/' not in glob
        self._matches = _compiled(glob.removeprefix(b'/'), fold).fullmatch

    def matches(self, path: bytes) -> bool:
        if self._never or not path.startswith(self._folder):
            return False
        start = path.rfind(b'/') + 1 if self.is_anywhere else len(self._folder)
        return self._matches(path[start:]) is not None


@lru_cache(4096)
def _compiled(glob: bytes, fold: bool) -> re.Pattern[bytes]:
    return wildmatch.compiled(glob, fold)


class Rules:
    """The .gitattributes of a folder and of those above it."""

    def __init__(self, above: Rules | None = None, folder: bytes = b'',
                 text: bytes = b'', fold: bool = False) -> None:
        self._above = above
        self._macros: dict[bytes, list[tuple[bytes, Value]]] = {
            **(above._macros if above else {}),
        }
        self._rules: list[tuple[Glob, list[tuple[bytes, Value]]]] = []
        for line in filter(None, map(parsed, text.split(b'\n'))):
            if not line.is_macro:
                rule = Glob(line.pattern, folder, fold), line.settings[::-1]
                self._rules.insert(0, rule)
            elif not folder:
                self._macros[line.pattern[len(_MACRO):]] = line.settings[::-1]

    def filter_of(self, path: bytes) -> Value:
        return _filter_of(self, path)

    def found(self, path: bytes) -> Value:
        said: dict[bytes, Value] = {}
        for settings in self._matching(path):
            self._take(settings, said)
            if b'filter' in said:
                return said[b'filter']
        return UNSPECIFIED

    def _matching(self, path: bytes) -> Iterator[list[tuple[bytes, Value]]]:
        """What matches, the nearest folder first, in each the last line."""
        for glob, settings in self._rules:
            if glob.matches(path):
                yield settings
        if self._above:
            yield from self._above._matching(path)

    def _take(
        self, settings: list[tuple[bytes, Value]], said: dict[bytes, Value],
    ) -> None:
        for name, value in settings:
            if name not in said:
                said[name] = value
                if value == SET and name in self._macros:
                    self._take(self._macros[name], said)


@lru_cache(1 << 16)
def _filter_of(rules: Rules, path: bytes) -> Value:
    return rules.found(path)
