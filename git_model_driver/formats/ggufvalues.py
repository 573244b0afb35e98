"""The metadata values of GGUF, and their text in a manifest.

A value is a type (u32) and its bytes; an array is the type of its elements, their
number (u64) and them. As text a number is its type and itself (``u32 4096``), a
string ``str`` and itself, an array its elements' type in brackets and a JSON list
(``[i32] [1,2]``). Long arrays have no text: they are kept as the bytes they are.
Source: ggml's docs/gguf.md, versions 2 and 3.
"""
from __future__ import annotations

import json
import struct
from typing import Any

from git_model_driver.core.errors import FormatError
from git_model_driver.formats.cursor import Cursor

U32 = struct.Struct('<I')
U64 = struct.Struct('<Q')
STRING, ARRAY = 8, 9
_BOOL = 7
_FLOATS = (6, 12)
_NUMBERS = {
    0: ('u8', '<B'), 1: ('i8', '<b'), 2: ('u16', '<H'), 3: ('i16', '<h'),
    4: ('u32', '<I'), 5: ('i32', '<i'), 6: ('f32', '<f'), 7: ('bool', '<?'),
    10: ('u64', '<Q'), 11: ('i64', '<q'), 12: ('f64', '<d'),
}
_FORMS = {kind: struct.Struct(form) for kind, (_, form) in _NUMBERS.items()}
_WORDS = {kind: word for kind, (word, _) in _NUMBERS.items()} | {STRING: 'str'}
_KINDS = {word: kind for kind, word in _WORDS.items()}
_LONGEST_STRING = 1 << 14       # bytes that are still a line of a manifest
_LONGEST_ARRAY = 1 << 10
_DEEPEST = 4
_MOST_STRINGS = 1 << 23


def skip(cursor: Cursor) -> int:
    """Move behind a value; returns its type. Raises FormatError."""
    kind: int = cursor.number(U32)
    _skip(cursor, kind, 0)
    return kind


def _skip(cursor: Cursor, kind: int, depth: int) -> None:
    if kind in _FORMS:
        cursor.skip(_FORMS[kind].size)
    elif kind == STRING:
        cursor.skip_strings(1, U64)
    elif kind == ARRAY and depth < _DEEPEST:
        of, count = cursor.number(U32), cursor.number(U64)
        if of in _FORMS:
            cursor.skip(_FORMS[of].size * count)
        elif count > min(cursor.left // U64.size, _MOST_STRINGS >> 4 * depth):
            raise FormatError('gguf: more values than the file holds')
        elif of == STRING:
            cursor.skip_strings(count, U64)
        else:
            for _ in range(count):
                _skip(cursor, of, depth + 1)
    else:
        raise FormatError(f'gguf: a value of the unknown type {kind}')


def is_short(kind: int, length: int) -> bool:
    """Whether a value of so many bytes may be a line of a manifest."""
    return length <= (_LONGEST_ARRAY if kind == ARRAY else _LONGEST_STRING)


def text(data: bytes) -> str | None:
    """A value as text; None if the text would not give these bytes back."""
    cursor = Cursor(data)
    kind = cursor.number(U32)
    try:
        if kind == ARRAY:
            of, count = cursor.number(U32), cursor.number(U64)
            items = [_value(cursor, of) for _ in range(count)]
            listed = json.dumps(items, ensure_ascii=False, separators=(',', ':'))
            found = f'[{_WORDS[of]}] {listed}'
        else:
            found = f'{_WORDS[kind]} {_plain(kind, _value(cursor, kind))}'
        return found if pack(found) == data else None
    except (KeyError, UnicodeDecodeError, FormatError):
        return None


def _value(cursor: Cursor, kind: int) -> Any:
    if kind == STRING:
        return cursor.take(cursor.number(U64)).decode()
    return cursor.number(_FORMS[kind])


def _plain(kind: int, value: Any) -> str:
    return str(value) if kind == STRING else json.dumps(value)


def pack(line: str) -> bytes:
    """Inverse of text. Raises FormatError for what is no such text."""
    word, _, rest = line.partition(' ')
    try:
        if word.startswith('['):
            kind, items = _KINDS[word[1:-1]], json.loads(rest)
            head = U32.pack(ARRAY) + U32.pack(kind) + U64.pack(len(items))
            return head + b''.join(_packed(kind, item) for item in items)
        kind = _KINDS[word]
        return U32.pack(kind) + _packed(
            kind, rest if kind == STRING else json.loads(rest),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError,
            OverflowError, struct.error):
        raise FormatError(f"'{line[:60]}' is no value that GGUF holds") from None


def _packed(kind: int, value: Any) -> bytes:
    if kind == STRING:
        data: bytes = value.encode()
        return U64.pack(len(data)) + data
    if (type(value) is bool) != (kind == _BOOL):
        raise ValueError(value)
    return _FORMS[kind].pack(float(value) if kind in _FLOATS else value)
