"""GGUF versions 2 and 3, little-endian (ggml's docs/gguf.md).

A short metadata value is a line of the manifest's metadata, typed as in
ggufvalues; a long one (the tokens of a vocabulary) is a tensor of dtype BYTES
under its key, type and value, so that it is stored once for all versions.
Shapes are NumPy's: the fastest axis last. Quantised types are dtypes of their own.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import words
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.skeleton import Builder
from git_model_driver.core.skeleton import Slot
from git_model_driver.formats import ggufvalues
from git_model_driver.formats.base import Extents
from git_model_driver.formats.base import Source
from git_model_driver.formats.cursor import Cursor
from git_model_driver.formats.ggufvalues import U32
from git_model_driver.formats.ggufvalues import U64

NAME = 'gguf'
MAGIC = b'GGUF'
_VERSIONS = (2, 3)
_ALIGNMENT, _USUAL = 'general.alignment', 32
_MOST_AXES = 8
_SMALLEST_VALUE, _SMALLEST_INFO = 13, 24    # bytes in the header
_TYPES = {
    0: 'F32', 1: 'F16', 2: 'Q4_0', 3: 'Q4_1', 6: 'Q5_0', 7: 'Q5_1', 8: 'Q8_0',
    9: 'Q8_1', 10: 'Q2_K', 11: 'Q3_K', 12: 'Q4_K', 13: 'Q5_K', 14: 'Q6_K',
    15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS', 19: 'IQ1_S',
    20: 'IQ4_NL', 21: 'IQ3_S', 22: 'IQ2_S', 23: 'IQ4_XS', 24: 'I8', 25: 'I16',
    26: 'I32', 27: 'I64', 28: 'F64', 29: 'IQ1_M', 30: 'BF16', 34: 'TQ1_0',
    35: 'TQ2_0', 39: 'MXFP4', 40: 'NVFP4', 41: 'Q1_0',
}
_NUMBERS = {word: number for number, word in _TYPES.items()}


class _Info(NamedTuple):
    """What the header says of a tensor; the offset is into the data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int


def sniff(head: bytes, size: int) -> bool:
    return head.startswith(MAGIC)


def read(source: Source) -> Layout:
    cursor = Cursor(source, len(MAGIC))
    version, tensors, values = (cursor.number(f) for f in (U32, U64, U64))
    if version not in _VERSIONS:
        raise FormatError(f'gguf: version {version}')
    if tensors * _SMALLEST_INFO + values * _SMALLEST_VALUE > cursor.left:
        raise FormatError('gguf: the counts are more than the file holds')
    meta, large = _metadata(source, cursor, values)
    infos = [_info(cursor) for _ in range(tensors)]
    data_at = _aligned(cursor.at, _alignment(meta))
    found = (*large, *(_tensor(info, data_at) for info in infos))
    if len({tensor.name for tensor in found}) != len(found):
        raise FormatError('gguf: a name stands in the header twice')
    return Layout(NAME, len(source), found, meta)


def _metadata(
    source: Source, cursor: Cursor, count: int,
) -> tuple[dict[str, str], list[Tensor]]:
    meta: dict[str, str] = {}
    large = []
    for _ in range(count):
        key = cursor.take(cursor.number(U64)).decode()
        start = cursor.at
        kind = ggufvalues.skip(cursor)
        extent = Extent(start, cursor.at - start)
        text = None
        if ggufvalues.is_short(kind, extent.length):
            text = ggufvalues.text(bytes(source[extent.offset:extent.end]))
        if key in meta:
            raise FormatError(f"gguf: '{key}' stands in the metadata twice")
        if text is None:
            large.append(Tensor(key, 'BYTES', (extent.length,), extent))
        else:
            meta[key] = text
    return meta, large


def _info(cursor: Cursor) -> _Info:
    name = cursor.take(cursor.number(U64)).decode()
    axes = cursor.number(U32)
    if axes > _MOST_AXES:
        raise FormatError(f"gguf: '{name}' has {axes} axes")
    shape = tuple(cursor.number(U64) for _ in range(axes))[::-1]
    kind, offset = cursor.number(U32), cursor.number(U64)
    if kind not in _TYPES:
        raise FormatError(f"gguf: '{name}' has the unknown type {kind}")
    return _Info(name, _TYPES[kind], shape, offset)


def _tensor(info: _Info, data_at: int) -> Tensor:
    length = dtypes.byte_length(info.dtype, info.shape)
    return Tensor(
        info.name, info.dtype, info.shape, Extent(data_at + info.offset, length),
    )


def _alignment(meta: dict[str, str]) -> int:
    kind, _, number = meta.get(_ALIGNMENT, f'u32 {_USUAL}').partition(' ')
    if kind != 'u32' or int(number) < 1:
        raise FormatError('gguf: no alignment')
    return int(number)


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def rebuild(manifest: Manifest, extent: Extents) -> bytes:
    """The skeleton of a new file of version 3: metadata and tensors by name.

    Raises FormatError where GGUF cannot hold a line.
    """
    alignment = _alignment(dict(manifest.meta))
    large = {n: e for n, e in manifest.tensors.items() if e.dtype == 'BYTES'}
    tensors = [manifest.tensors[n] for n in _in_order(manifest.tensors)
               if n not in large]
    out = Builder()
    keys = _in_order((*manifest.meta, *large))
    out.add(MAGIC + U32.pack(3) + U64.pack(len(tensors)) + U64.pack(len(keys)))
    for key in keys:
        out.add(_string(key))
        if key in large:
            out.add(_slot(large[key]))
        else:
            out.add(ggufvalues.pack(manifest.meta[key]))
    offset = 0
    for entry in tensors:
        out.add(_header(entry, offset))
        offset = _aligned(offset + entry.nbytes, alignment)
    for entry in tensors:
        out.add(_padding(out.size, alignment))
        if entry.nbytes:
            out.add(_slot(entry))
    out.add(_padding(out.size, alignment))
    return out.serialize()


def _in_order(names: Iterable[str]) -> list[str]:
    ordered = sorted(names, key=words.natural_key)
    if len(set(ordered)) != len(ordered):
        raise FormatError('a key and a value of the metadata have one name')
    return ordered


def _slot(entry: Entry) -> Slot:
    return Slot(entry.name, entry.nbytes)


def _padding(size: int, alignment: int) -> bytes:
    return bytes(_aligned(size, alignment) - size)


def _string(text: str) -> bytes:
    data = text.encode()
    return U64.pack(len(data)) + data


def _header(entry: Entry, offset: int) -> bytes:
    if entry.dtype not in _NUMBERS or entry.extra or len(entry.shape) > _MOST_AXES:
        raise FormatError(f"GGUF cannot hold the tensor '{entry.name}'")
    axes = b''.join(U64.pack(n) for n in reversed(entry.shape))
    kind = U32.pack(_NUMBERS[entry.dtype])
    return (
        _string(entry.name) + U32.pack(len(entry.shape)) + axes + kind
        + U64.pack(offset)
    )
