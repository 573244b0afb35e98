"""From an object's raw bytes to what is stored: chunk by chunk, in its base's terms."""
from __future__ import annotations

from functools import partial

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.store.chains import DEEPEST
from git_model_driver.store.chains import Open
from git_model_driver.store.chains import chain_of
from git_model_driver.store.codec import chunk as chunks
from git_model_driver.store.codec import sampling
from git_model_driver.store.codec.chunk import Encoded
from git_model_driver.store.codec.form import Form
from git_model_driver.store.codec.modes import RELATIVE
from git_model_driver.store.codec.update import Matrix
from git_model_driver.store.codec.update import Update
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.source import Span

SMALLEST = 1 << 10      # what is smaller takes a block of the disk either way
_FALL_BACK = 4          # levels, where the chain would become too long
TRIED = 3               # chunks; where no difference pays in them, none is tried


class Encoder:
    """Encodes the chunks of one object in their order."""

    def __init__(
        self, form: Form | None, base: ObjectFile | None = None,
        update: Update | None = None, thorough: bool = False,
    ) -> None:
        self.form = form
        self.update = update
        self._thorough = thorough
        self._base = base
        self._used = False

    @property
    def base(self) -> Oid | None:
        """The base, if any chunk refers to it."""
        return self._base.oid if self._used and self._base else None

    def encode(self, i: int, raw: memoryview) -> Encoded:
        """Chunk i. The first ``TRIED`` in their order, then any number at once."""
        if self.form is None:
            self.form = sampling.guess(raw)
        base = self._prediction(i, self.form.width)
        encoded = chunks.encode(raw, self.form, base, self._thorough)
        if encoded.mode in RELATIVE:
            self._used = True
        return encoded

    def _prediction(self, i: int, width: int) -> memoryview | None:
        """What chunk i may be a difference from; a damaged base is none."""
        if self._base is None or not (self._used or i < TRIED):
            return None
        try:
            base = self._base.chunk_at(i, CHUNK)
        except (StoreError, OSError):
            return None
        if base and self.update:
            return self.update.predict(base, i * CHUNK // width)
        return base or None

    def close(self) -> None:
        if self._base is not None:
            self._base.__exit__()


def encoder(
    form: Form | None, base: Oid | None, open_here: Open,
    matrix: Matrix | None = None, span: Span | None = None, thorough: bool = False,
) -> Encoder:
    """One for an object whose ``base`` may be missing or damaged: then it has none.

    Where the object is a matrix, and its bytes in ``span`` can be read in any order,
    an update of the base as a whole is looked for.
    """
    file = _usable(base, open_here) if base else None
    if file is None or matrix is None or span is None:
        return Encoder(form, file, None, thorough)
    if not span.length == file.nbytes == matrix.nbytes:
        return Encoder(form, file, None, thorough)
    from git_model_driver.store.codec import fit

    try:
        update = fit.fit(matrix, partial(_read, span), file.read)
    except CorruptObject:
        file.__exit__()
        return Encoder(form)
    return Encoder(form, file, update, thorough)


def _read(span: Span, offset: int, length: int) -> bytearray:
    data = bytearray(length)
    span.readinto(offset, memoryview(data))
    return data


def _usable(oid: Oid, open_here: Open) -> ObjectFile | None:
    """The object, or one that it is based on where its chain is as long as may be."""
    try:
        with open_here(oid) as file:
            chain = chain_of(file)
        return open_here(chain[0] if len(chain) <= DEEPEST else chain[-1 - _FALL_BACK])
    except (StoreError, OSError):
        return None
