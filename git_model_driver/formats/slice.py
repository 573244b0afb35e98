"""A part of a file that is a file of its own: a stored member of an archive."""
from __future__ import annotations

from git_model_driver.core.layout import Extent
from git_model_driver.formats.base import Buffer
from git_model_driver.formats.base import Source


class SliceSource:
    """The bytes of ``part``, read as a file of that length."""

    def __init__(self, source: Source, part: Extent) -> None:
        self._source = source
        self._part = part

    def __len__(self) -> int:
        return self._part.length

    def __getitem__(self, where: slice) -> Buffer:
        start, stop, _ = where.indices(self._part.length)
        offset = self._part.offset
        return self._source[offset + start:offset + max(start, stop)]
