"""Element types, in the words of safetensors 0.8, and NumPy's where it has none.

``BITS`` gives the width of one element. Words that start with ``<``, ``>`` or
``|`` are NumPy's own array-protocol strings (``|S3``, ``<U5``, ``<M8[ns]``) with
their byte order in them. ``BYTES`` is a run of bytes that is no array of numbers.
``BLOCKS`` are GGML's quantised types (ggml.h): so many elements of the last axis
in so many bytes.
"""
from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from git_model_driver.core.errors import FormatError

_FEW = 1 << 10      # shapes that are remembered: a model has thousands of the same

# In safetensors' own order: its writer sorts tensors by it, last first.
SAFETENSORS = (
    'BOOL', 'F4', 'F6_E2M3', 'F6_E3M2', 'U8', 'I8', 'F8_E5M2', 'F8_E4M3',
    'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'I16', 'U16', 'F16', 'BF16',
    'I32', 'U32', 'F32', 'C64', 'F64', 'I64', 'U64',
)
BITS = {
    'BOOL': 8, 'F4': 4, 'F6_E2M3': 6, 'F6_E3M2': 6, 'U8': 8, 'I8': 8,
    'F8_E5M2': 8, 'F8_E4M3': 8, 'F8_E8M0': 8, 'F8_E4M3FNUZ': 8,
    'F8_E5M2FNUZ': 8, 'I16': 16, 'U16': 16, 'F16': 16, 'BF16': 16, 'I32': 32,
    'U32': 32, 'F32': 32, 'C64': 64, 'F64': 64, 'I64': 64, 'U64': 64,
    'C128': 128, 'BYTES': 8,
}
BLOCKS = {
    'Q4_0': (32, 18), 'Q4_1': (32, 20), 'Q5_0': (32, 22), 'Q5_1': (32, 24),
    'Q8_0': (32, 34), 'Q8_1': (32, 40), 'Q2_K': (256, 84), 'Q3_K': (256, 110),
    'Q4_K': (256, 144), 'Q5_K': (256, 176), 'Q6_K': (256, 210), 'Q8_K': (256, 292),
    'IQ2_XXS': (256, 66), 'IQ2_XS': (256, 74), 'IQ3_XXS': (256, 98),
    'IQ1_S': (256, 50), 'IQ4_NL': (32, 18), 'IQ3_S': (256, 110), 'IQ2_S': (256, 82),
    'IQ4_XS': (256, 136), 'IQ1_M': (256, 56), 'TQ1_0': (256, 54), 'TQ2_0': (256, 66),
    'MXFP4': (32, 17), 'NVFP4': (64, 36), 'Q1_0': (128, 18),
}
_NUMPY = {
    'BOOL': 'bool', 'U8': 'uint8', 'I8': 'int8', 'I16': 'int16',
    'U16': 'uint16', 'F16': 'float16', 'I32': 'int32', 'U32': 'uint32',
    'F32': 'float32', 'C64': 'complex64', 'F64': 'float64', 'I64': 'int64',
    'U64': 'uint64', 'C128': 'complex128',
}
_ML_DTYPES = {
    'BF16': 'bfloat16', 'F8_E5M2': 'float8_e5m2', 'F8_E4M3': 'float8_e4m3fn',
    'F8_E8M0': 'float8_e8m0fnu', 'F8_E4M3FNUZ': 'float8_e4m3fnuz',
    'F8_E5M2FNUZ': 'float8_e5m2fnuz',
}
# What a weighted sum of two values means something for. F8_E8M0 holds only
# powers of two (block scales): a mean of scales is not a scale.
FLOATS = frozenset({
    'F16', 'BF16', 'F32', 'F64', 'F8_E5M2', 'F8_E4M3', 'F8_E4M3FNUZ',
    'F8_E5M2FNUZ', 'C64', 'C128',
})
_OWN_WIDTH = r'[<>|]([SVaU]|[mM])([0-9]+)(\[[0-9A-Za-z/]+\])?'


def element_bits(dtype: str) -> int | None:
    """Width of one element in bits, or None where the word is unknown."""
    if dtype in BITS:
        return BITS[dtype]
    own = re.fullmatch(_OWN_WIDTH, dtype)
    if own is None or len(own[2]) > 9:
        return None
    return int(own[2]) * (32 if own[1] == 'U' else 8)


def byte_length(dtype: str, shape: Sequence[int]) -> int:
    """Bytes that an array of this dtype and shape takes in C order.

    Raises FormatError for an unknown dtype, for a tensor that does not end on a
    byte (F4 and F6 are packed) and for rows that do not end on a block.
    """
    if dtype in BLOCKS:
        elements, nbytes = BLOCKS[dtype]
        if not shape or shape[-1] % elements:
            raise FormatError(f'{dtype} {format_shape(shape)} does not end on a block')
        return math.prod(shape) // elements * nbytes
    bits = element_bits(dtype)
    if bits is None:
        raise FormatError(f"unknown dtype '{dtype}'")
    total = bits * math.prod(shape)
    if total % 8:
        raise FormatError(f'{dtype} {format_shape(shape)} does not end on a byte')
    return total // 8


def as_numpy(dtype: str, endian: str = 'little') -> Any:
    """The numpy.dtype that reads this word's bytes, or None where there is none."""
    import numpy

    if dtype in _NUMPY:
        little = numpy.dtype(_NUMPY[dtype]).newbyteorder('<')
        return little.newbyteorder('>') if endian == 'big' else little
    if dtype in _ML_DTYPES:
        import ml_dtypes

        return numpy.dtype(getattr(ml_dtypes, _ML_DTYPES[dtype]))
    return None


def format_shape(shape: Sequence[int]) -> str:
    return 'x'.join(map(str, shape)) if shape else 'scalar'


@lru_cache(_FEW)
def parse_shape(text: str) -> tuple[int, ...]:
    """Inverse of format_shape. Raises ValueError for anything it does not print."""
    if text == 'scalar':
        return ()
    shape = tuple(int(part) for part in text.split('x') if len(part) < 21)
    if format_shape(shape) != text or any(n < 0 for n in shape):
        raise ValueError(text)
    return shape
