"""Randomness that is the same for everybody: Philox, keyed by what is merged.

The raw words of Philox4x64-10 (Salmon et al., SC 2011) are the algorithm itself,
unlike NumPy's distributions, which may change between releases. Element i of a
tensor has lane i % 4, of 16 bits, of word i // 4; it can be had without those before.
"""
from __future__ import annotations

import hashlib
from typing import Any

from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters

_DOMAIN = 'gitmerge-dare-v1'
LEVELS = 1 << 16
_LANES = 4          # in a word of 64 bits
_STEP = 16          # lanes that one step of the counter gives


def key(seed: str, side: str, name: str) -> int:
    """The generator's key for one version of one tensor."""
    text = '\0'.join((_DOMAIN, seed, side, name))
    digest = hashlib.sha256(text.encode('utf-8', 'surrogatepass')).digest()
    return int.from_bytes(digest[:16], 'little')


def keys(operands: Operands, parameters: Parameters) -> list[int]:
    """One for each version; the seed follows from the tensors unless a rule sets it."""
    seed = parameters['seed']
    sides = (operands.base_oid or '', *sorted(operands.oids))
    said = ','.join(sides) if seed is None else str(seed)
    return [key(said, oid, operands.name) for oid in operands.oids]


def lanes(key: int, start: int, n: int) -> Any:
    """n random uint16 for the elements from the flat index ``start`` on."""
    import numpy

    generator = numpy.random.Philox(key=key)
    generator.advance(start // _STEP)
    skipped = start % _STEP
    words = generator.random_raw(-(-(skipped + n) // _LANES))
    return words.astype('<u8', copy=False).view('<u2')[skipped:skipped + n]
