"""From an object's raw bytes to what is stored: chunk by chunk, in its base's terms."""
from __future__ import annotations

from collections.abc import Callable

from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.store.codec import chunk as chunks
from git_model_driver.store.codec import sampling
from git_model_driver.store.codec.chunk import Encoded
from git_model_driver.store.codec.form import Form
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objectfile import ObjectFile

Open = Callable[[Oid], ObjectFile]
SMALLEST = 1 << 10      # what is smaller takes a block of the disk either way
_DEEPEST = 8            # reading costs a decoding more per level
_FALL_BACK = 4          # levels, where the chain would become too long
_MOST_MISSES = 3


class Encoder:
    """Encodes the chunks of one object in their order."""

    def __init__(self, form: Form | None, base: ObjectFile | None = None) -> None:
        self.form = form
        self._base = base
        self._used = False
        self._misses = 0

    @property
    def base(self) -> Oid | None:
        """The base, if any chunk refers to it."""
        return self._base.oid if self._used and self._base else None

    def encode(self, i: int, raw: memoryview) -> Encoded:
        if self.form is None:
            self.form = sampling.guess(raw)
        encoded = chunks.encode(raw, self.form, self._base_chunk(i))
        if encoded.mode in chunks.RELATIVE:
            self._used = True
        else:
            self._misses += 1
        return encoded

    def _base_chunk(self, i: int) -> memoryview | None:
        if self._base is None or (self._misses >= _MOST_MISSES and not self._used):
            return None
        try:
            return self._base.chunk_at(i, CHUNK) or None
        except (StoreError, OSError):       # it is damaged there
            return None

    def close(self) -> None:
        if self._base is not None:
            self._base.__exit__()


def encoder(form: Form | None, base: Oid | None, open_here: Open) -> Encoder:
    """One for an object whose ``base`` may be missing or damaged: then it has none."""
    return Encoder(form, _usable(base, open_here) if base else None)


def can_carry(oid: Oid, open_here: Open) -> bool:
    """Whether all that it is based on is here, so that more can be based on it."""
    try:
        with open_here(oid) as file:
            return len(_chain(file)) <= _DEEPEST
    except (StoreError, OSError):
        return False


def _usable(oid: Oid, open_here: Open) -> ObjectFile | None:
    """The object, or one that it is based on where its chain is as long as may be."""
    try:
        with open_here(oid) as file:
            chain = _chain(file)
        return open_here(chain[0] if len(chain) <= _DEEPEST else chain[-1 - _FALL_BACK])
    except (StoreError, OSError):
        return None


def _chain(file: ObjectFile) -> list[Oid]:
    """The object, its base, the base's base, ..."""
    found = [file.oid]
    while file.header.base is not None:
        file = file.base
        found.append(file.oid)
    return found
