"""From an extent's bytes to those of the values in it."""
from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import chain
from typing import Any
from typing import Union

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import numbers
from git_model_driver.core.errors import FormatError
from git_model_driver.core.manifest import Entry
from git_model_driver.formats import deflate
from git_model_driver.formats import npy

_LARGEST_ELEMENT = 16       # bytes; pieces hold whole elements
_LARGEST_SHUFFLED = 1 << 27
_MOST_REPEATED = 1 << 26     # bytes of an expanded view beyond its storage's
Chunks = Iterable[Union[bytes, memoryview]]


def decoded(
    entry: Entry, chunks: Iterable[bytes | memoryview],
) -> Iterator[bytes | memoryview]:
    """The bytes of the values in whole elements, C or Fortran order as they lie.

    Raises FormatError where the extent holds another number of bytes than dtype
    and shape say, before more than that is decompressed.
    """
    extra = dict(entry.extra)
    encoding = extra.get('encoding')
    if 'start' in extra:
        yield from _seen(entry, extra, chunks)
    elif encoding is None:
        yield from chunks
    elif encoding not in _DECODERS:
        raise FormatError(f"the encoding '{encoding}' is not known here")
    else:
        yield from _exactly(entry, _DECODERS[encoding](entry, chunks))


def cut(
    chunks: Iterable[bytes | memoryview], n: int,
) -> Iterator[bytes | memoryview]:
    """The same bytes in pieces of n; each is valid until the next is taken."""
    rest = b''
    for chunk in chunks:
        view = memoryview(chunk)
        if rest:
            head = n - len(rest)
            rest += bytes(view[:head])
            view = view[head:]
            if len(rest) < n:
                continue
            yield rest
        whole = len(view) - len(view) % n
        for at in range(0, whole, n):
            yield view[at:at + n]
        rest = bytes(view[whole:])
    if rest:
        yield rest


def blocks(
    entry: Entry, chunks: Iterable[bytes | memoryview], n: int = numbers.BLOCK,
) -> Iterator[Any]:
    """The elements as they are stored, n at a time; each block is valid until the next
    is taken.
    """
    endian = numbers.endian_of(entry.extra)
    width = dtypes.byte_length(entry.dtype, (1,))
    for data in cut(decoded(entry, chunks), n * width):
        yield numbers.stored(data, entry.dtype, endian)


def _seen(entry: Entry, extra: dict[str, str], chunks: Chunks) -> Iterator[bytes]:
    """The elements that a view has of its storage, in C order."""
    import numpy

    start = int(extra['start'])
    if 'strides' not in extra:
        yield from _run(entry, start, chunks)
        return
    strides = [int(n) for n in extra['strides'].split(',')]
    storage = b''.join(map(bytes, chunks))
    width = dtypes.byte_length(entry.dtype, (1,))
    last = start + sum((n - 1) * s for n, s in zip(entry.shape, strides))
    if len(strides) != len(entry.shape) or min(start, *strides, 0) < 0 or (
        (last + 1) * width > len(storage)
    ):
        raise FormatError(f"'{entry.name}' lies outside its storage")
    if math.prod(entry.shape) * width > _MOST_REPEATED + len(storage):
        raise FormatError(f"'{entry.name}' repeats its elements too often")
    elements = numpy.frombuffer(storage, f'V{width}')[start:]
    yield numpy.lib.stride_tricks.as_strided(
        elements, entry.shape, [n * width for n in strides], writeable=False,
    ).tobytes()


def _run(entry: Entry, start: int, chunks: Chunks) -> Iterator[bytes]:
    """Elements that lie side by side in the storage: never all of it in memory."""
    skipped = start * dtypes.byte_length(entry.dtype, (1,))
    left = dtypes.byte_length(entry.dtype, entry.shape)
    for chunk in chunks if start >= 0 else ():
        if left == 0:
            break
        piece = bytes(memoryview(chunk)[skipped:skipped + left])
        skipped = max(0, skipped - len(chunk))
        left -= len(piece)
        yield piece
    if left or start < 0:
        raise FormatError(f"'{entry.name}' lies outside its storage")


def _exactly(entry: Entry, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces in whole elements, once they are known to be as many as expected."""
    expected = dtypes.byte_length(entry.dtype, entry.shape)
    rest, given = b'', 0
    for piece in pieces:
        rest += piece
        whole = len(rest) - len(rest) % _LARGEST_ELEMENT
        given += whole
        if given > expected:
            raise FormatError(f"'{entry.name}' is longer than its shape says")
        yield rest[:whole]
        rest = rest[whole:]
    if given + len(rest) != expected:
        raise FormatError(f"'{entry.name}' has another length than its shape says")
    yield rest


def _of_npy(entry: Entry, chunks: Chunks) -> Iterator[bytes]:
    """A compressed .npy, or a compressed run of bytes."""
    pieces = deflate.inflated(chunks)
    first = b'' if entry.dtype == 'BYTES' else _without_header(pieces)
    return chain([first], pieces)


def _of_zlib(entry: Entry, chunks: Chunks) -> Iterator[bytes]:
    return deflate.inflated(chunks, deflate.FRAMED)


def _of_shuffled(entry: Entry, chunks: Chunks) -> Iterator[bytes]:
    """HDF5's shuffle filter: all first bytes of the elements, all second ones, …"""
    import numpy

    expected = dtypes.byte_length(entry.dtype, entry.shape)
    planes = b''
    for piece in deflate.inflated(chunks, deflate.FRAMED):
        planes += piece
        if len(planes) > min(expected, _LARGEST_SHUFFLED):
            raise FormatError(f"'{entry.name}' is longer than its shape says")
    width = dtypes.byte_length(entry.dtype, (1,))
    if len(planes) % width:
        raise FormatError(f"'{entry.name}' does not end on an element")
    bytewise = numpy.frombuffer(planes, 'u1').reshape(width, -1)
    yield bytewise.T.tobytes()


_DECODERS = {'deflate': _of_npy, 'zlib': _of_zlib, 'shuffle-zlib': _of_shuffled}


def _without_header(pieces: Iterator[bytes]) -> bytes:
    """The first values of a .npy file; its header is taken from the pieces."""
    head = b''
    while len(head) < npy.MAX_HEADER and (piece := next(pieces, b'')):
        head += piece
    return head[npy.parse_header(head).length:]
