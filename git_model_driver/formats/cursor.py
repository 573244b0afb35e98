"""Reading a file from front to back in small steps."""
from __future__ import annotations

import struct
from typing import Any

from git_model_driver.core.errors import FormatError
from git_model_driver.formats.base import Source

_BLOCK = 1 << 18


class Cursor:
    """A place in a source that moves on with what is read.

    Every method raises FormatError where the source ends before.
    """

    def __init__(self, source: Source, at: int = 0) -> None:
        self._source = source
        self._block = b''
        self._start = at        # of the block, in the source
        self._next = 0          # in the block

    @property
    def at(self) -> int:
        return self._start + self._next

    @property
    def left(self) -> int:
        """Bytes from here to the end."""
        return len(self._source) - self.at

    def number(self, form: struct.Struct) -> Any:
        """The one value of ``form``."""
        self._need(form.size)
        value, = form.unpack_from(self._block, self._next)
        self._next += form.size
        return value

    def take(self, length: int) -> bytes:
        self._need(length)
        start = self._next
        self._next += length
        return self._block[start:self._next]

    def skip(self, length: int) -> None:
        """Move on without reading."""
        if length > self.left:
            raise FormatError('the file is cut off')
        self._next += length

    def skip_strings(self, count: int, form: struct.Struct) -> None:
        """Move on behind so many byte strings, each after its length as ``form``."""
        for _ in range(count):
            if self._next + form.size > len(self._block):
                self._need(form.size)
            length, = form.unpack_from(self._block, self._next)
            self._next += form.size + length
        self.skip(0)

    def _need(self, length: int) -> None:
        if self._next + length <= len(self._block):
            return
        if length > self.left:
            raise FormatError('the file is cut off')
        self._start, self._next = self.at, 0
        stop = self._start + max(length, _BLOCK)
        self._block = bytes(self._source[self._start:min(stop, len(self._source))])
