"""What every format is, and the one boundary between it and the rest.

A format is a module with a NAME and two or three functions, as in ``Format``.
Files are hostile until shown otherwise: a reader may raise anything, ``read``
turns it into FormatError, and the file is then kept opaque.
"""
from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Protocol
from typing import Union

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Layout
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.skeleton import Skeleton

Buffer = Union[bytes, memoryview]
# The bytes of an entry's extent, piece by piece.
Extents = Callable[[Entry], Iterator[Buffer]]


class Source(Protocol):
    """A file to read from: its length, and slices of it as bytes."""

    def __len__(self) -> int: ...

    def __getitem__(self, where: slice) -> Buffer: ...


class Format(Protocol):
    """A file format."""

    NAME: str

    def sniff(self, head: bytes, size: int) -> bool:
        """Whether a file of ``size`` bytes that begins with ``head`` may be one."""

    def read(self, source: Source) -> Layout:
        """Say which bytes are whose. May raise anything for a malformed file."""


class CanonicalFormat(Format, Protocol):
    """A format whose file follows from the lines of its manifest."""

    def canonical(self, manifest: Manifest) -> Skeleton:
        """The skeleton that the canonical writer gives these lines.

        Raises FormatError where the format cannot hold them.
        """


class RebuildableFormat(Format, Protocol):
    """A format of which a new file can be written around given tensors."""

    def rebuild(self, manifest: Manifest, extent: Extents) -> bytes:
        """A skeleton that holds these lines; raises FormatError if it cannot."""


class AdaptableFormat(Format, Protocol):
    """A format of which one side's file can be given other metadata."""

    def adapt(self, skeleton: Skeleton, manifest: Manifest) -> bytes:
        """The skeleton with the manifest's metadata; raises FormatError."""


def read(form: Format, source: Source) -> Layout:
    """The one boundary: whatever a reader raises for a bad file is FormatError."""
    try:
        layout = form.read(source)
        layout.extents()
    except FormatError:
        raise
    except (
        ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
        EOFError, struct.error, zlib.error, RecursionError, MemoryError, SyntaxError,
    ) as e:
        raise FormatError(f'{form.NAME}: {type(e).__name__}: {e}') from e
    return layout


def name_of(source: Source) -> str:
    """The file's name, without its folders; '' for bytes in memory."""
    return os.path.basename(getattr(source, 'name', ''))


def sibling(source: Source, name: str) -> Source | None:
    """The file of that name beside the source, if there is one."""
    find = getattr(source, 'sibling', None)
    found: Source | None = find(name) if find else None
    return found


def canonical_writer(form: Format) -> Callable[[Manifest], Skeleton] | None:
    return getattr(form, 'canonical', None)


def adapter(form: Format) -> Callable[[Skeleton, Manifest], bytes] | None:
    return getattr(form, 'adapt', None)


def rebuilder(form: Format) -> Callable[[Manifest, Extents], bytes] | None:
    return getattr(form, 'rebuild', None)
