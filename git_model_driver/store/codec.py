"""How a chunk of an object lies on disk.

The number stands in the object's header. A codec encodes chunks independently
of one another; ``encode`` may return its argument.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from typing import Union

Buffer = Union[bytes, memoryview]


class Codec(NamedTuple):
    number: int
    name: str
    encode: Callable[[Buffer], Buffer]
    decode: Callable[[Buffer], Buffer]


def _same(chunk: Buffer) -> Buffer:
    return chunk


RAW = Codec(0, 'raw', _same, _same)

CODECS = {codec.number: codec for codec in (RAW,)}
