"""Tensors whose dtype a version changed.

A pure cast changes no value: the values of the others are taken, in the new dtype.
"""
from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import numbers
from git_model_driver.core.model import Entry
from git_model_driver.merging import entries
from git_model_driver.merging import tensors
from git_model_driver.merging.desk import Desk
from git_model_driver.merging.desk import chunked
from git_model_driver.merging.units.base import Unsettled
from git_model_driver.store.codec import form as forms


def merge(
    name: str, base: Entry | None, versions: Sequence[Entry], desk: Desk,
) -> Entry:
    """The ordinary merge, after dtypes have been brought together."""
    if base is None or all(v.dtype == base.dtype for v in versions):
        return desk.merge(name, base, versions)
    if any(e.dtype not in dtypes.FLOATS for e in (base, *versions)):
        return desk.merge(name, base, versions)     # it says why it cannot be
    wanted = {v.dtype for v in versions if v.dtype != base.dtype}
    if len(wanted) > 1 or any(v.shape != base.shape for v in versions):
        return desk.merge(name, base, versions)
    word = wanted.pop()
    trained = [v for v in versions if not _is_cast(base, v, desk)]
    if not trained:
        return next(v for v in versions if v.dtype == word)
    like = next(v for v in versions if v.dtype == word)
    desk.note(f'{name}: is {word} now, was {base.dtype}')
    if len(trained) == 1:
        return _cast(trained[0], like, desk)
    if any(v.dtype != word for v in trained):
        raise Unsettled(
            f'dtypes differ: one side made it {word} and changed its values, '
            f'the other changed them as {base.dtype}',
        )
    return desk.merge(name, base, trained)


def _is_cast(base: Entry, version: Entry, desk: Desk) -> bool:
    """Whether every value is the base's, rounded to the version's dtype."""
    if version.dtype == base.dtype:
        return version.oid == base.oid
    if version.shape != base.shape:
        return False
    old, new = (tensors.of_entry(e, desk.store) for e in (base, version))
    for before, after in zip(old.pieces(numbers.BLOCK), new.pieces(numbers.BLOCK)):
        rounded = numbers.rounded(before, version.dtype)
        if not numbers.same_bits(rounded, after).all():
            return False
    return True


def _cast(entry: Entry, like: Entry, desk: Desk) -> Entry:
    """The values of one version in the dtype of another."""
    if entry.dtype == like.dtype:
        return entry
    endian = numbers.endian_of(like.extra)

    if entries.as_storage(entry) is not entry:
        raise Unsettled('its dtype changed, and it is a view of a larger storage')

    def blocks() -> Iterator[memoryview]:
        operand = tensors.of_entry(entry, desk.store)
        for array in operand.pieces(numbers.BLOCK):
            wide = numbers.widened(array, entry.dtype)
            done = tensors.finished(wide, like.dtype, None, None)
            yield numbers.as_bytes(done, like.dtype, endian)

    nbytes = tensors.nbytes(entry, like.dtype)
    oid = desk.batch.put_stream(nbytes, chunked(blocks()), forms.of_dtype(like.dtype))
    return like._replace(oid=oid)
