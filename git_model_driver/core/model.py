"""What a manifest says (core.manifest has its text)."""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.oid import Oid

KNOWN_KEYS = frozenset({'bytes', 'encoding', 'endian', 'order', 'start', 'strides'})


_length = lru_cache(1 << 10)(dtypes.byte_length)


class Entry(NamedTuple):
    """One tensor: its bytes are the extent ``oid``, seen as dtype and shape.

    ``extra`` holds the line's ``key=value`` words: ``order=F`` (column-major),
    ``endian=big``, ``encoding=deflate`` with ``bytes=N`` (the extent is a
    compressed .npy), and whatever a newer version adds.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    oid: Oid
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def nbytes(self) -> int:
        """Length of the extent in bytes."""
        encoded = dict(self.extra).get('bytes', '') if self.extra else ''
        if encoded.isdecimal() and len(encoded) < 20:
            return int(encoded)
        return _length(self.dtype, self.shape)

    @property
    def known(self) -> Entry:
        """Without the keys that this version does not know."""
        extra = tuple(pair for pair in self.extra if pair[0] in KNOWN_KEYS)
        return self._replace(extra=extra)

    @property
    def structure(self) -> tuple[object, ...]:
        """All but the values."""
        return self.name, self.dtype, self.shape, self.extra


class Blob(NamedTuple):
    """Bytes in the store that are no tensor: a skeleton, or a piece of a file."""

    oid: Oid
    nbytes: int


class Manifest(NamedTuple):
    """What one line each says: the format, its metadata and every tensor.

    ``skeleton`` is None where the file is what the format's canonical writer
    makes of the other lines (``layout canonical``). ``chunks`` are the pieces of
    an opaque file, in order; such a file has neither tensors nor skeleton.
    """

    format: str
    skeleton: Blob | None = None
    meta: Mapping[str, str] = MappingProxyType({})
    tensors: Mapping[str, Entry] = MappingProxyType({})
    chunks: tuple[Blob, ...] = ()

    @property
    def oids(self) -> Iterable[Oid]:
        """Every object the file is made of, with repetitions."""
        yield from (entry.oid for entry in self.tensors.values())
        yield from (chunk.oid for chunk in self.chunks)
        if self.skeleton:
            yield self.skeleton.oid

    @property
    def structure(self) -> tuple[object, ...]:
        """All but the values and the skeleton: what a skeleton must agree with."""
        tensors = frozenset(entry.structure for entry in self.tensors.values())
        return self.format, dict(self.meta), tensors

