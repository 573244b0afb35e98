"""MessagePack, value by value. Source: github.com/msgpack/msgpack, spec.md."""
from __future__ import annotations

import struct
from typing import Any

from git_model_driver.core.errors import FormatError
from git_model_driver.formats.cursor import Cursor

MAP, ARRAY, EXTENSION, VALUE = range(4)
_LONGEST_TEXT = 1 << 16
_MOST_VALUES = 1 << 22
_NUMBERS = {
    0xca: '>f', 0xcb: '>d', 0xcc: '>B', 0xcd: '>H', 0xce: '>I', 0xcf: '>Q',
    0xd0: '>b', 0xd1: '>h', 0xd2: '>i', 0xd3: '>q',
}
_CONSTANTS = {0xc0: None, 0xc2: False, 0xc3: True}
# The width of the length that follows.
_TEXTS, _BINARIES = {0xd9: '>B', 0xda: '>H', 0xdb: '>I'}, {
    0xc4: '>B', 0xc5: '>H', 0xc6: '>I'}
_ARRAYS, _MAPS = {0xdc: '>H', 0xdd: '>I'}, {0xde: '>H', 0xdf: '>I'}
_EXTENSIONS = {0xc7: '>B', 0xc8: '>H', 0xc9: '>I'}
_FIXED_EXTENSIONS = {0xd4: 1, 0xd5: 2, 0xd6: 4, 0xd7: 8, 0xd8: 16}
_FORMS = {
    form: struct.Struct(form) for form in
    ('>f', '>d', '>B', '>H', '>I', '>Q', '>b', '>h', '>i', '>q')
}
_SIGNED = _FORMS['>b']


class Reader:
    """Gives the values of a stream. Raises FormatError."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._count = 0

    @property
    def at(self) -> int:
        return self._cursor.at

    @property
    def left(self) -> int:
        return self._cursor.left

    def skip_to(self, end: int) -> None:
        self._cursor.skip(end - self._cursor.at)

    def _number(self, form: str) -> Any:
        return self._cursor.number(_FORMS[form])

    def next(self) -> tuple[int, Any]:
        """What comes next: MAP or ARRAY and a count, EXTENSION with its type and
        where it ends, VALUE with a number, a text or the length of binary data.
        """
        self._count += 1
        if self._count > _MOST_VALUES:
            raise FormatError('msgpack: more values than a model has')
        code = self._number('>B')
        if code < 0x80:
            return VALUE, code
        if code < 0x90:
            return MAP, self._counted(code & 15, 2)
        if code < 0xa0:
            return ARRAY, self._counted(code & 15, 1)
        if code < 0xc0:
            return VALUE, self._text(code & 31)
        if code >= 0xe0:
            return VALUE, code - 256
        return self._by_code(code)

    def _by_code(self, code: int) -> tuple[int, Any]:
        if code in _CONSTANTS:
            return VALUE, _CONSTANTS[code]
        if code in _NUMBERS:
            return VALUE, self._number(_NUMBERS[code])
        if code in _TEXTS:
            return VALUE, self._text(self._number(_TEXTS[code]))
        if code in _BINARIES:
            length = self._number(_BINARIES[code])
            self._cursor.skip(length)
            return VALUE, f'{length} bytes'
        if code in _ARRAYS:
            return ARRAY, self._counted(self._number(_ARRAYS[code]), 1)
        if code in _MAPS:
            return MAP, self._counted(self._number(_MAPS[code]), 2)
        length = _FIXED_EXTENSIONS.get(code)
        if length is None:
            if code not in _EXTENSIONS:
                raise FormatError('msgpack: a code that there is not')
            length = self._number(_EXTENSIONS[code])
        number = self._cursor.number(_SIGNED)
        end = self._cursor.at + length
        if length > self._cursor.left:
            raise FormatError('msgpack: an extension past the end')
        return EXTENSION, (number, end)

    def _counted(self, count: int, each: int) -> int:
        if count * each > self._cursor.left:
            raise FormatError('msgpack: more values than the file holds')
        return count

    def _text(self, length: int) -> str:
        if length > _LONGEST_TEXT:
            raise FormatError('msgpack: a text that is too long')
        return self._cursor.take(length).decode()

    def key(self) -> Any:
        """The next value, which must be a number or a text."""
        kind, value = self.next()
        if kind != VALUE:
            raise FormatError('msgpack: a key that is no word')
        return value

    def binary(self) -> tuple[int, int]:
        """Where the binary data lie that come next, and how long they are."""
        code = self._number('>B')
        if code not in _BINARIES:
            raise FormatError('msgpack: no binary data')
        length = self._number(_BINARIES[code])
        start = self._cursor.at
        self._cursor.skip(length)
        return start, length
