"""Chunked datasets: each chunk is a tensor of its own (III.A.1, IV.A.2.i and l).

A chunk of a dataset ``w`` is named ``w[0:64,32:64]`` by the elements in it; one at
an edge has its full shape all the same. Chunks that went through shuffle and
deflate only are tensors with an encoding, others are runs of bytes.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Tensor
from git_model_driver.formats.hdf5.file import UNDEFINED
from git_model_driver.formats.hdf5.file import File
from git_model_driver.formats.hdf5.file import Message
from git_model_driver.formats.hdf5.types import Type

_CHUNKS = 1         # a B-tree's kind
_DEFLATE, _SHUFFLE = 1, 2
_ENCODINGS = {(): None, (_DEFLATE,): 'zlib', (_SHUFFLE, _DEFLATE): 'shuffle-zlib'}
_MOST_FILTERS = 32


class _Chunk(NamedTuple):
    length: int
    skipped: int            # a bit for each filter that did not run
    start: tuple[int, ...]
    at: int


def tensors(
    file: File, name: str, shape: tuple[int, ...], kind: Type, layout_at: int,
    filters: Message | None,
) -> Iterator[Tensor]:
    axes = file.number(1, layout_at + 2) - 1
    if axes != len(shape):
        raise FormatError('hdf5: chunks of another rank than their dataset')
    tree = file.number(8, layout_at + 3)
    dims = tuple(file.number(4, layout_at + 11 + 4 * i) for i in range(axes))
    if not all(dims):
        raise FormatError('hdf5: chunks of no length')
    used = () if filters is None else _filters(file, filters)
    if tree == UNDEFINED:
        return
    for chunk in _chunks(file, tree, axes):
        file.check(chunk.at, chunk.length)
        extent = Extent(file.base + chunk.at, chunk.length)
        yield _tensor(name, shape, dims, kind, chunk, used, extent)


def _filters(file: File, message: Message) -> tuple[int, ...]:
    """The numbers of the filters, in the order in which they wrote."""
    at, found = message.at, []
    version, count = file.number(1, at), file.number(1, at + 1)
    if version not in (1, 2) or count > _MOST_FILTERS:
        raise FormatError('hdf5: malformed filters')
    at += 8 if version == 1 else 2
    for _ in range(count):
        number = file.number(2, at)
        named = version == 1 or number >= 256
        length = file.number(2, at + 2) if named else 0
        values = file.number(2, at + (6 if named else 4))
        if version == 1:
            length, values = length + 7 & ~7, values + (values & 1)
        at += (8 if named else 6) + length + 4 * values
        found.append(number)
    return tuple(found)


def _chunks(file: File, tree: int, axes: int) -> Iterator[_Chunk]:
    key = 8 + 8 * (axes + 1)
    todo, seen = [tree], set()
    while todo:
        at = todo.pop()
        if at in seen:
            raise FormatError('hdf5: a tree that bites its tail')
        seen.add(at)
        if file.take(at, 5) != b'TREE' + bytes([_CHUNKS]):
            raise FormatError('hdf5: no node of chunks')
        level, count = file.number(1, at + 5), file.number(2, at + 6)
        below = []
        for i in range(count):
            entry = at + 24 + i * (key + 8)
            child = file.number(8, entry + key)
            if level:
                below.append(child)
                continue
            start = (file.number(8, entry + 8 + 8 * k) for k in range(axes))
            length, skipped = file.number(4, entry), file.number(4, entry + 4)
            yield _Chunk(length, skipped, tuple(start), child)
        todo.extend(reversed(below))


def _tensor(
    name: str, shape: tuple[int, ...], dims: tuple[int, ...], kind: Type,
    chunk: _Chunk, used: tuple[int, ...], extent: Extent,
) -> Tensor:
    ends = (min(a + d, n) for a, d, n in zip(chunk.start, dims, shape))
    where = ','.join(f'{a}:{b}' for a, b in zip(chunk.start, ends))
    label = f'{name}[{where}]'
    ran = tuple(f for i, f in enumerate(used) if not chunk.skipped >> i & 1)
    if ran not in _ENCODINGS or kind.dtype.startswith('|V0'):
        return Tensor(label, 'BYTES', (extent.length,), extent)
    words = {'endian': 'big'} if kind.big and kind.word else {}
    if encoding := _ENCODINGS[ran]:
        words |= {'encoding': encoding, 'bytes': str(extent.length)}
    return Tensor(label, kind.dtype, dims, extent, tuple(sorted(words.items())))
