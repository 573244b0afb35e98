"""What a format's reader says of a file: which byte ranges are whose.

An ``Extent`` is hashed, stored and replaced; a ``Tensor`` is a view of one; a
``Checksum`` lies in what remains (the skeleton) and covers a range.
"""
from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from git_model_driver.core.errors import FormatError


class Extent(NamedTuple):
    """The bytes ``offset`` to ``offset + length`` of a file."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.offset + self.length


class Tensor(NamedTuple):
    """A named array: the extent's bytes as dtype and shape.

    ``extra`` are the manifest line's key=value words (core.manifest.Entry).
    ``file`` is the file beside this one that the extent lies in; '' is this one.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    extent: Extent
    extra: tuple[tuple[str, str], ...] = ()
    file: str = ''


class Checksum(NamedTuple):
    """A checksum (core.sums) of ``over``, written at the offset ``at``.

    ``of`` names a tensor in another file, then ``over`` is where it lies there.
    """

    kind: str
    over: Extent
    at: int
    of: str = ''


class Proof(NamedTuple):
    """What a tensor's checksum must be, or the layout is that of another file."""

    tensor: str
    kind: str
    value: int


class Layout(NamedTuple):
    """A file of ``size`` bytes, taken apart."""

    format: str
    size: int
    tensors: tuple[Tensor, ...]
    meta: Mapping[str, str] = MappingProxyType({})
    checksums: tuple[Checksum, ...] = ()
    proofs: tuple[Proof, ...] = ()

    def extents(self) -> list[Extent]:
        """The distinct extents in file order.

        Raises FormatError where two overlap or one runs past the end: shared
        storage is legal only as *equal* extents.
        """
        found = sorted({
            t.extent for t in self.tensors if t.extent.length and not t.file
        })
        end = 0
        for extent in found:
            if extent.offset < end or extent.end > self.size:
                raise FormatError(f'the extent at {extent.offset} overlaps or runs out')
            end = extent.end
        return found
