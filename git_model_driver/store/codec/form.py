"""What the bytes of an object are elements of: their width, and where a sign is.

The form decides how well an object compresses, never what it decodes to: any
bytes may be stored in any form.
"""
from __future__ import annotations

from typing import NamedTuple

from git_model_driver.core import dtype as dtypes

INTEGER, FLOAT, TEXT = 0, 1, 2
_WIDTHS = (1, 2, 4, 8)


class Form(NamedTuple):
    """Little-endian elements of ``width`` bytes: 1, 2, 4 or 8.

    FLOAT has its sign in the highest bit and the magnitude below. TEXT is what may
    repeat itself or another text, at any place.
    """

    width: int
    kind: int = INTEGER

    @property
    def code(self) -> int:
        """The form in eight bits."""
        return _WIDTHS.index(self.width) | self.kind << 4


BYTES = Form(1)
DOCUMENT = Form(1, TEXT)


def from_code(code: int) -> Form | None:
    """Inverse of ``code``; None for what this version does not know."""
    width, kind = code & 15, code >> 4
    if width >= len(_WIDTHS) or kind > TEXT or (width == 0 and kind == FLOAT):
        return None
    return Form(_WIDTHS[width], kind)


def of_dtype(dtype: str) -> Form:
    """The form of a tensor's elements; complex numbers are two of half the width."""
    bits = dtypes.BITS.get(dtype, 8)
    if dtype.startswith('C'):
        bits //= 2
    width = bits // 8 if bits % 8 == 0 and bits // 8 in _WIDTHS else 1
    return Form(width, FLOAT if dtype in dtypes.FLOATS and width > 1 else INTEGER)
