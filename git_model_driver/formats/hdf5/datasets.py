"""What an object header says of a dataset, and where its values lie (IV.A.2.i)."""
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Tensor
from git_model_driver.formats.hdf5 import chunks
from git_model_driver.formats.hdf5 import types
from git_model_driver.formats.hdf5.file import UNDEFINED
from git_model_driver.formats.hdf5.file import File
from git_model_driver.formats.hdf5.file import Message
from git_model_driver.formats.hdf5.types import Type

DATASPACE, DATATYPE, EXTERNAL, LAYOUT, FILTERS = 1, 3, 7, 8, 11
_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2


class Dataset(NamedTuple):
    """The messages that make an object a dataset."""

    shape: tuple[int, ...]
    type: Type
    layout: Message
    filters: Message | None


def dataset(file: File, messages: dict[int, Message]) -> Dataset | None:
    """The dataset with this header; None for what has no values that can be cut out."""
    space, kind, layout = (messages.get(k) for k in (DATASPACE, DATATYPE, LAYOUT))
    if space is None or kind is None or layout is None:
        return None
    if EXTERNAL in messages or kind.shared or space.shared:
        return None
    shape = types.dataspace(file, space.at)
    element = types.datatype(file, kind.at)
    if shape is None or element.word == types.TEXT:
        return None
    return Dataset(shape, element, layout, messages.get(FILTERS))


def tensors(file: File, name: str, found: Dataset) -> Iterator[Tensor]:
    """The dataset as a tensor, or as one for each of its chunks."""
    at = found.layout.at
    version, kind = file.number(1, at), file.number(1, at + 1)
    if version in (1, 2):
        kind = file.number(1, at + 2)
    elif version not in (3, 4):
        raise FormatError('hdf5: a malformed layout')
    if kind == _CHUNKED and version == 3:
        yield from chunks.tensors(
            file, name, found.shape, found.type, at, found.filters,
        )
        return
    place = _place(file, found, version, kind)
    if place is not None:
        yield tensor(name, found.type, found.shape, place)


def _place(file: File, found: Dataset, version: int, kind: int) -> Extent | None:
    """Where the values lie, in the whole file; None where there are none to cut out."""
    at, length = found.layout.at, math.prod(found.shape) * found.type.size
    if kind == _COMPACT and version > 2 and not found.layout.summed:
        start, size = at + 4, file.number(2, at + 2)
    elif kind == _CONTIGUOUS:
        start = file.number(8, at + (2 if version > 2 else 8))
        size = file.number(8, at + 10) if version > 2 else length
    else:
        return None
    if not length:
        return Extent(0, 0)
    if start == UNDEFINED:
        return None         # nothing was ever written
    if size != length:
        raise FormatError('hdf5: a dataset of another size than its shape says')
    file.check(start, size)
    return Extent(file.base + start, size)


def tensor(
    name: str, kind: Type, shape: tuple[int, ...], place: Extent,
    *extra: tuple[str, str],
) -> Tensor:
    words = dict(extra)
    if kind.big and kind.word:
        words['endian'] = 'big'
    return Tensor(name, kind.dtype, shape, place, tuple(sorted(words.items())))
