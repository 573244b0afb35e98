"""A protobuf message that may be larger than memory: what is long is not read."""
from __future__ import annotations

from collections.abc import Iterator

from git_model_driver.core.errors import FormatError
from git_model_driver.formats import wire
from git_model_driver.formats.base import Source
from git_model_driver.formats.wire import Field

_LONGEST_TEXT = 1 << 20
_PAGE = 1 << 16
_HEAD = 20              # bytes of the longest key and length
_MOST_FIELDS = 1 << 22


class Message:
    """Fields of a source by their places. Raises FormatError."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._page_at = 0
        self._page = b''
        self._count = 0

    def fields(self, within: Field | None = None) -> Iterator[Field]:
        """The fields of the whole, or of the message in a field."""
        at = within.start if within else 0
        end = within.end if within else len(self._source)
        if within and within.kind != wire.BYTES:
            raise FormatError('protobuf: a number where a message should be')
        while at < end:
            field = self._field(at, end)
            self._count += 1
            if self._count > _MOST_FIELDS:
                raise FormatError('protobuf: more fields than a model has')
            yield field
            at = field.end

    def _field(self, at: int, end: int) -> Field:
        head = self._bytes(at, min(_HEAD, end - at))
        key, here = wire.varint(head, 0)
        number, kind = key >> 3, key & 7
        start = at + here
        if kind == wire.VARINT:
            value, here = wire.varint(head, here)
            stop = at + here
        elif kind == wire.BYTES:
            value, here = wire.varint(head, here)
            start = at + here
            stop = start + value
        elif kind in (wire.FIXED32, wire.FIXED64):
            width = 4 if kind == wire.FIXED32 else 8
            value = int.from_bytes(head[here:here + width], 'little')
            stop = start + width
        else:
            raise FormatError(f'protobuf: wire type {kind}')
        if not number or stop > end:
            raise FormatError('protobuf: a field runs past its message')
        return Field(number, kind, value, start, stop)

    def _bytes(self, at: int, length: int) -> bytes:
        offset = at - self._page_at
        if offset < 0 or offset + length > len(self._page):
            stop = min(at + max(length, _PAGE), len(self._source))
            self._page_at, self._page = at, bytes(self._source[at:stop])
            offset = 0
        return self._page[offset:offset + length]

    def inside(self, field: Field, *numbers: int) -> Iterator[Field]:
        """The fields of these numbers, each in the one before."""
        first, *rest = numbers
        for found in self.fields(field):
            if found.number == first and rest:
                yield from self.inside(found, *rest)
            elif found.number == first:
                yield found

    def text(self, field: Field) -> str:
        if field.kind != wire.BYTES or field.value > _LONGEST_TEXT:
            raise FormatError('protobuf: no text where one should be')
        return self._bytes(field.start, field.value).decode()

    def numbers(self, field: Field) -> list[int]:
        """The value of a repeated number, which may be several in a run."""
        if field.kind == wire.VARINT:
            return [field.value]
        data = self.content(field)
        found, at = [], 0
        while at < len(data):
            value, at = wire.varint(data, at)
            found.append(value)
        return found

    def content(self, field: Field) -> bytes:
        if field.kind != wire.BYTES or field.value > _LONGEST_TEXT:
            raise FormatError('protobuf: a field that is too long')
        return self._bytes(field.start, field.value)
