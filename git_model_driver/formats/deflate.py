"""DEFLATE streams, raw (RFC 1951) or with zlib's frame (1950), in bounded pieces."""
from __future__ import annotations

import zlib
from collections.abc import Iterable
from collections.abc import Iterator

from git_model_driver.core.errors import FormatError

PIECE = 1 << 20
RAW, FRAMED = -15, 15


def inflated(
    chunks: Iterable[bytes | memoryview], frame: int = RAW,
) -> Iterator[bytes]:
    """What a stream holds. Raises FormatError for a damaged one, or one cut off.

    Whoever takes the pieces bounds how many: a stream may hold 1000 times its size.
    """
    inflate = zlib.decompressobj(frame)
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
