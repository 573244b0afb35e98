"""NumPy .npy files of format version 1.0 to 3.0 (NEP 1).

Arrays of Python objects are pickles, which are not read: such a file is kept
opaque. The one tensor of a .npy file is called ``array``.
"""
from __future__ import annotations

import ast
import math
import struct
from typing import NamedTuple

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.skeleton import Literal
from git_model_driver.core.skeleton import Skeleton
from git_model_driver.core.skeleton import Slot
from git_model_driver.formats.base import Source

NAME = 'npy'
TENSOR = 'array'
MAGIC = b'\x93NUMPY'
MAX_HEADER = 1 << 16
_LENGTH_FORMATS = {1: '<H', 2: '<I', 3: '<I'}
# numpy.dtype.str without its byte order -> the manifest's word
_WORDS = {
    'b1': 'BOOL', 'u1': 'U8', 'i1': 'I8', 'i2': 'I16', 'u2': 'U16', 'f2': 'F16',
    'i4': 'I32', 'u4': 'U32', 'f4': 'F32', 'c8': 'C64', 'f8': 'F64', 'i8': 'I64',
    'u8': 'U64', 'c16': 'C128',
}
_DESCRS = {word: descr for descr, word in _WORDS.items()}
_GROWTH_DIGITS = 21     # numpy leaves room for the first axis to grow


class Header(NamedTuple):
    """A .npy header: how the bytes after it are to be read."""

    dtype: str
    shape: tuple[int, ...]
    extra: tuple[tuple[str, str], ...]
    length: int         # of magic, version and header, in bytes


def sniff(head: bytes, size: int) -> bool:
    return head.startswith(MAGIC)


def read(source: Source) -> Layout:
    size = len(source)
    header = parse_header(bytes(source[0:MAX_HEADER + 12]))
    extent = Extent(header.length, size - header.length)
    if dtypes.byte_length(header.dtype, header.shape) != extent.length:
        raise FormatError('the data does not end with the file')
    tensor = Tensor(TENSOR, header.dtype, header.shape, extent, header.extra)
    return Layout(NAME, size, (tensor,))


def parse_header(head: bytes) -> Header:
    """Read the header at the beginning of ``head``. Raises FormatError."""
    if not head.startswith(MAGIC) or len(head) < 10 or head[6] not in _LENGTH_FORMATS:
        raise FormatError('no .npy header')
    form = _LENGTH_FORMATS[head[6]]
    start = 8 + struct.calcsize(form)
    length, = struct.unpack_from(form, head, 8)
    if length > MAX_HEADER or start + length > len(head):
        raise FormatError('the .npy header is too long')
    text = head[start:start + length].decode('utf-8' if head[6] == 3 else 'latin-1')
    fields = ast.literal_eval(text)
    if fields.keys() != {'descr', 'fortran_order', 'shape'}:
        raise FormatError('the .npy header has other fields')
    shape, fortran = fields['shape'], fields['fortran_order']
    if type(shape) is not tuple or type(fortran) is not bool or not all(
        type(n) is int and 0 <= n < 1 << 63 for n in shape
    ):
        raise FormatError('the .npy header has no shape')
    dtype, extra = _dtype(fields['descr'])
    if fortran and len(shape) > 1 and math.prod(shape):
        extra += (('order', 'F'),)
    return Header(dtype, shape, extra, start + length)


def _dtype(descr: object) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The manifest's word, and ``endian=big`` where that is so."""
    if not isinstance(descr, str) or descr[:1] not in ('<', '>', '|'):
        raise FormatError(f'{str(descr)[:60]}: no plain dtype')
    if descr[1:] in _WORDS:
        big = descr[0] == '>' and descr[1:] not in ('b1', 'u1', 'i1')
        return _WORDS[descr[1:]], (('endian', 'big'),) if big else ()
    if dtypes.element_bits(descr) is None:
        raise FormatError(f'{descr[:60]}: no plain dtype')
    return descr, ()


def canonical(manifest: Manifest) -> Skeleton:
    """What numpy.save writes."""
    if list(manifest.tensors) != [TENSOR] or manifest.meta:
        raise FormatError('a .npy file holds one tensor')
    entry = manifest.tensors[TENSOR]
    head = header_bytes(entry)
    slot = [Slot(TENSOR, entry.nbytes)] if entry.nbytes else []
    return Skeleton((Literal(0, len(head)), *slot), memoryview(head))


def header_bytes(entry: Entry) -> bytes:
    """The header that numpy.save writes (numpy.lib.format, version 1.0)."""
    extra = dict(entry.extra)
    fortran = extra.pop('order', '') == 'F'
    descr = entry.dtype
    if entry.dtype in _DESCRS:
        order = '>' if extra.pop('endian', '') == 'big' else '<'
        one_byte = entry.dtype in ('BOOL', 'U8', 'I8')
        descr = ('|' if one_byte else order) + _DESCRS[entry.dtype]
    if extra or descr[:1] not in ('<', '>', '|'):
        raise FormatError(f"NumPy cannot hold the tensor '{entry.name}'")
    fields = f"'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {entry.shape}"
    text = f'{{{fields}, }}'
    if entry.shape:
        grows = entry.shape[-1 if fortran else 0]
        text += ' ' * max(0, _GROWTH_DIGITS - len(str(grows)))
    # A full 64 where nothing is missing: so does numpy.lib.format.
    padding = 64 - (len(MAGIC) + 4 + len(text) + 1) % 64
    text += ' ' * padding + '\n'
    if len(text) > 0xffff:
        raise FormatError('the .npy header is too long')
    return MAGIC + b'\1\0' + struct.pack('<H', len(text)) + text.encode('latin-1')
