"""How a chunk of an object is stored.

    mode          bytes
    RAW           the chunk
    PLANES        a record per byte plane (codec.planes), lowest first
    DIFFERENCE    the same of the differences from the base's chunk (codec.difference),
                  floats sorted by the base's exponents
    CHANGED       a record of a bitmap of these: which are not 0, the first one in the
                  highest bit; then the same of those, less 1
    TEXT          a zstd frame
    PATCH         a zstd frame that refers to the base's chunk

A record is its method (0 raw, 1 zstd), its length in four bytes, its bytes. What
does not fill an element follows the records as it is. Where the base is shorter,
it goes on with zeros.
"""
from __future__ import annotations

RAW, PLANES, DIFFERENCE, CHANGED, TEXT, PATCH = range(6)
RELATIVE = frozenset({DIFFERENCE, CHANGED, PATCH})
