"""Git's globs as regular expressions over bytes (wildmatch.c).

``*`` stops at a slash, ``**`` between slashes does not. A glob that Git finds malformed
matches nothing.
"""
from __future__ import annotations

import re

_CLASSES = {
    b'alnum': b'0-9A-Za-z', b'alpha': b'A-Za-z', b'blank': b' \\t',
    b'cntrl': b'\\x00-\\x1f\\x7f', b'digit': b'0-9', b'graph': b'!-~',
    b'lower': b'a-z', b'print': b' -~', b'punct': b'!-/:-@\\[-`{-~',
    b'space': b' \\t\\n\\v\\f\\r', b'upper': b'A-Z', b'xdigit': b'0-9A-Fa-f',
}
_NOTHING = rb'(?!)'


class Malformed(ValueError):
    """A bracket or an escape without an end."""


def compiled(glob: bytes, fold: bool = False) -> re.Pattern[bytes]:
    """What a whole path must match."""
    try:
        text = _translated(glob)
        return re.compile(text, re.DOTALL | (re.IGNORECASE if fold else 0))
    except (Malformed, re.error):
        return re.compile(_NOTHING)


def _translated(glob: bytes) -> bytes:
    out, i = b'', 0
    while i < len(glob):
        char = glob[i:i + 1]
        if char == b'*':
            piece, i = _stars(glob, i)
        elif char == b'[':
            piece, i = _bracket(glob, i + 1)
        elif char == b'?':
            piece, i = b'[^/]', i + 1
        else:
            if char == b'\\':
                i += 1
                if i == len(glob):
                    raise Malformed(glob)
            piece, i = re.escape(glob[i:i + 1]), i + 1
        out += piece
    return out


def _stars(glob: bytes, at: int) -> tuple[bytes, int]:
    end = at
    while glob[end:end + 1] == b'*':
        end += 1
    alone = glob[at - 1:at] in (b'', b'/') if at else True
    if end - at < 2 or not alone or glob[end:end + 1] not in (b'', b'/'):
        return b'[^/]*', end
    if end == len(glob):
        return b'.*', end
    return b'(?:.*/)?', end + 1


def _bracket(glob: bytes, at: int) -> tuple[bytes, int]:
    """A set, after its ``[``; and where it ends."""
    negated = glob[at:at + 1] in (b'!', b'^') and at < len(glob)
    i, inside, first = at + negated, b'', True
    while first or glob[i:i + 1] != b']':
        first = False
        if glob[i:i + 2] == b'[:':
            piece, i = _class(glob, i + 2)
        else:
            low, i = _char(glob, i)
            if glob[i:i + 1] == b'-' and glob[i + 1:i + 2] not in (b']', b''):
                high, i = _char(glob, i + 1)
                piece = _range(low, high)
            else:
                piece = _hex(low)
        inside += piece
    if not inside:
        return (b'[^/]' if negated else _NOTHING), i + 1
    return b'(?!/)[' + (b'^' if negated else b'') + inside + b']', i + 1


def _class(glob: bytes, at: int) -> tuple[bytes, int]:
    end = glob.find(b':]', at)
    found = _CLASSES.get(glob[at:end]) if end >= 0 else None
    if found is None:
        raise Malformed(glob)
    return found, end + 2


def _char(glob: bytes, at: int) -> tuple[int, int]:
    if glob[at:at + 1] == b'\\':
        at += 1
    if at >= len(glob):
        raise Malformed(glob)
    return glob[at], at + 1


def _range(low: int, high: int) -> bytes:
    return _hex(low) + b'-' + _hex(high) if low <= high else b''


def _hex(char: int) -> bytes:
    return b'\\x%02x' % char
