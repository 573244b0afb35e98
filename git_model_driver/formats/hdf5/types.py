"""Datatype and dataspace messages (HDF5 File Format Specification, IV.A.2.b and d)."""
from __future__ import annotations

import struct
from typing import NamedTuple

from git_model_driver.core.errors import FormatError
from git_model_driver.formats.hdf5.file import File

_FIXED, _FLOAT, _STRING, _OPAQUE, _COMPOUND, _ENUM, _VARIABLE = 0, 1, 3, 5, 6, 8, 9
STRING, TEXT = 'S', 'str'       # fixed and variable length
_MOST_AXES = 32
_INTEGERS = {1: '8', 2: '16', 4: '32', 8: '64'}
# bytes, bits, exponent's place and bits, mantissa's place and bits, bias
_FLOATS = {
    (2, 16, 10, 5, 0, 10, 15): 'F16', (2, 16, 7, 8, 0, 7, 127): 'BF16',
    (4, 32, 23, 8, 0, 23, 127): 'F32', (8, 64, 52, 11, 0, 52, 1023): 'F64',
    (1, 8, 2, 5, 0, 2, 15): 'F8_E5M2',
}
_COMPLEX = {(8, 'F32'): 'C64', (16, 'F64'): 'C128'}


class Type(NamedTuple):
    """``word`` is a dtype of core.dtype, STRING, TEXT, or None: bytes of some kind."""

    word: str | None
    size: int           # bytes of one element
    big: bool = False
    unicode: bool = False

    @property
    def dtype(self) -> str:
        """The dtype of a tensor of these elements."""
        if self.word == STRING:
            return f'|S{self.size}'
        return self.word or f'|V{self.size}'

    @property
    def is_plain(self) -> bool:
        """Whether the elements are bytes that point nowhere else in the file."""
        return self.word is not None and self.word != TEXT


def datatype(file: File, at: int) -> Type:
    version, kind = divmod(file.number(1, at), 16)
    bits, size = file.number(3, at + 1), file.number(4, at + 4)
    if not 1 <= version <= 4 or not size:
        raise FormatError('hdf5: a malformed datatype')
    big = bool(bits & 1)
    if kind == _FIXED and size in _INTEGERS:
        return Type(('I' if bits & 8 else 'U') + _INTEGERS[size], size, big)
    if kind == _FLOAT:
        form = struct.unpack('<xxHBBBBI', file.take(at + 8, 12))
        return Type(_FLOATS.get((size, *form)), size, big)
    if kind == _STRING:
        return Type(STRING, size, False, bool(bits >> 4 & 15))
    if kind == _OPAQUE:
        return Type(f'|V{size}', size)
    if kind == _VARIABLE and bits & 15 == 1:
        return Type(TEXT, size, False, bool(bits >> 8 & 15))
    if kind == _ENUM and size == 1 and bits & 0xffff == 2:
        return Type('BOOL' if _is_bool(file, at, version) else None, size)
    if kind == _COMPOUND and bits & 0xffff == 2:
        return _complex(file, at, version, size)
    return Type(None, size, big)


def _is_bool(file: File, at: int, version: int) -> bool:
    """The enumeration of two bytes that h5py writes for a bool."""
    names = b'FALSE\0\0\0TRUE\0\0\0\0' if version < 3 else b'FALSE\0TRUE\0'
    expected = names + b'\0\1'
    return file.take(at + 20, len(expected)) == expected


def _complex(file: File, at: int, version: int, size: int) -> Type:
    """The compound of two floats, r and i, that h5py writes for a complex number."""
    wide = version < 3
    step = 28 if version == 2 else 60 if wide else 23
    parts = []
    for i, name in enumerate((b'r', b'i')):
        member = at + 8 + i * step
        label = name.ljust(8 if wide else 2, b'\0')
        if file.take(member, len(label)) != label:
            return Type(None, size)
        part = datatype(file, member + step - 20)
        if part.word is None or not part.word.startswith('F'):
            return Type(None, size)
        parts.append(part)
    real, imaginary = parts
    word = _COMPLEX.get((size, str(real.word))) if real == imaginary else None
    return Type(word, size, real.big)


def dataspace(file: File, at: int) -> tuple[int, ...] | None:
    """The shape; None for a null dataspace, which has no elements at all."""
    version, axes = file.number(1, at), file.number(1, at + 1)
    if version not in (1, 2) or axes > _MOST_AXES:
        raise FormatError('hdf5: a malformed dataspace')
    if version == 2 and file.number(1, at + 3) == 2:
        return None
    start = at + (8 if version == 1 else 4)
    return tuple(file.number(8, start + 8 * i) for i in range(axes))
