"""Raw DEFLATE streams (RFC 1951), in pieces of bounded size."""
from __future__ import annotations

import zlib
from collections.abc import Iterable
from collections.abc import Iterator

from git_model_driver.core.errors import FormatError

PIECE = 1 << 20


def inflated(chunks: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """What a stream holds. Raises FormatError for a damaged one, or one cut off.

    Whoever takes the pieces bounds how many: a stream may hold 1000 times its size.
    """
    inflate = zlib.decompressobj(-15)
    try:
        for chunk in chunks:
            yield from _all_of(inflate, bytes(chunk))
    except zlib.error as e:
        raise FormatError(f'a compressed member is damaged: {e}') from None
    if not inflate.eof:
        raise FormatError('a compressed member is cut off')


def _all_of(inflate: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    piece = inflate.decompress(data, PIECE)
    # A full piece may leave output behind although all input was taken.
    while piece:
        yield piece
        piece = inflate.decompress(inflate.unconsumed_tail, PIECE)
