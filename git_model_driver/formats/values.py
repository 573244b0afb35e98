"""From an extent's bytes to those of the values in it."""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from itertools import chain

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.manifest import Entry
from git_model_driver.formats import deflate
from git_model_driver.formats import npy

_LARGEST_ELEMENT = 16       # bytes; pieces hold whole elements


def decoded(
    entry: Entry, chunks: Iterable[bytes | memoryview],
) -> Iterator[bytes | memoryview]:
    """The bytes of the values in whole elements, C or Fortran order as they lie.

    Raises FormatError where the extent holds another number of bytes than dtype
    and shape say, before more than that is decompressed.
    """
    encoding = dict(entry.extra).get('encoding')
    if encoding is None:
        yield from chunks
    elif encoding == 'deflate':
        yield from _inflated(entry, chunks)
    else:
        raise FormatError(f"the encoding '{encoding}' is not known here")


def _inflated(
    entry: Entry, chunks: Iterable[bytes | memoryview],
) -> Iterator[bytes]:
    expected = dtypes.byte_length(entry.dtype, entry.shape)
    pieces = deflate.inflated(chunks)
    first = b'' if entry.dtype == 'BYTES' else _without_header(pieces)
    rest, given = b'', 0
    for piece in chain([first], pieces):
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


def _without_header(pieces: Iterator[bytes]) -> bytes:
    """The first values of a .npy file; its header is taken from the pieces."""
    head = b''
    while len(head) < npy.MAX_HEADER and (piece := next(pieces, b'')):
        head += piece
    return head[npy.parse_header(head).length:]
