"""From an extent's bytes to those of the values in it."""
from __future__ import annotations

import zlib
from collections.abc import Iterable
from collections.abc import Iterator

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.manifest import Entry
from git_model_driver.formats import npy

_PIECE = 4 << 20


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
        try:
            yield from _inflated(entry, chunks)
        except zlib.error as e:
            raise FormatError(f"'{entry.name}' cannot be decompressed: {e}") from None
    else:
        raise FormatError(f"the encoding '{encoding}' is not known here")


def _inflated(
    entry: Entry, chunks: Iterable[bytes | memoryview],
) -> Iterator[bytes]:
    expected = dtypes.byte_length(entry.dtype, entry.shape)
    inflate = zlib.decompressobj(-15)
    rest, given, header = b'', 0, entry.dtype != 'BYTES'
    for chunk in chunks:
        data = bytes(chunk)
        while data:
            rest += inflate.decompress(data, _PIECE)
            data = inflate.unconsumed_tail
            if header:
                if len(rest) < npy.MAX_HEADER and not inflate.eof:
                    continue
                rest, header = rest[npy.parse_header(rest).length:], False
            whole = len(rest) - len(rest) % 16
            given += whole
            if given > expected:
                raise FormatError(f"'{entry.name}' is longer than its shape says")
            yield rest[:whole]
            rest = rest[whole:]
    if given + len(rest) != expected:
        raise FormatError(f"'{entry.name}' has another length than its shape says")
    yield rest
