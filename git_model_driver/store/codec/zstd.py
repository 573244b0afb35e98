"""Zstandard (RFC 8878), from the standard library where that has it (3.14).

Four ways to compress, one to decompress:

``entropy``  Huffman coding and nothing else. Ordinary levels find matches in the
             bytes of numbers that cost more than they save (docs/decisions/0018).
``runs``     level 1, for planes that are mostly one value.
``text``     level 3, with another text to refer to.
``thorough`` level 19, where there is time.
"""
from __future__ import annotations

import sys
import threading
from typing import Any
from typing import Union

Buffer = Union[bytes, bytearray, memoryview]
ENTROPY, RUNS, TEXT, THOROUGH = 'entropy', 'runs', 'text', 'thorough'
_LEVELS = {RUNS: 1, TEXT: 3, THOROUGH: 19}
_MOST_WINDOW = 23       # log2 of what a decoder may be asked to keep in memory
_local = threading.local()


def _module() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _options(zstd: Any, how: str) -> dict[Any, int]:
    name = zstd.CompressionParameter
    if how == ENTROPY:
        return {
            name.strategy: 1, name.window_log: 17, name.hash_log: 6,
            name.chain_log: 6, name.search_log: 1, name.min_match: 7,
            name.target_length: 0,
        }
    return {name.compression_level: _LEVELS[how]}


def compress(data: Any, how: str, reference: Buffer = b'') -> bytes:
    """One frame. ``reference`` is needed again to decompress it."""
    zstd = _module()
    if reference:
        words = zstd.ZstdDict(bytes(reference), is_raw=True)
        options = {
            **_options(zstd, how),
            zstd.CompressionParameter.window_log: 21,
            zstd.CompressionParameter.enable_long_distance_matching: 1,
        }
        made = zstd.ZstdCompressor(options=options, zstd_dict=words.as_prefix)
        return bytes(made.compress(data, made.FLUSH_FRAME))
    kept = _local.__dict__.get(how)
    if kept is None:
        kept = zstd.ZstdCompressor(options=_options(zstd, how))
        setattr(_local, how, kept)
    return bytes(kept.compress(data, kept.FLUSH_FRAME))


def decompress(frame: Buffer, nbytes: int, reference: Buffer = b'') -> bytes:
    """Exactly ``nbytes`` bytes. Raises ValueError for anything else."""
    zstd = _module()
    words = None
    if reference:
        words = zstd.ZstdDict(bytes(reference), is_raw=True).as_prefix
    options = {zstd.DecompressionParameter.window_log_max: _MOST_WINDOW}
    made = zstd.ZstdDecompressor(options=options, zstd_dict=words)
    try:
        data = bytes(made.decompress(frame, max_length=nbytes + 1))
    except zstd.ZstdError as e:
        raise ValueError(str(e)) from e
    if len(data) != nbytes or not made.eof or made.unused_data:
        raise ValueError('not the length it must have')
    return data
