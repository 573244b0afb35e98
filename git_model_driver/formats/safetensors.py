"""safetensors 0.8: a JSON header, then the tensors' bytes without a gap.

The rules are those of the Rust reference implementation. It also accepts a
header with a key twice or a tensor written as an array; we keep such a file
opaque, as no two readers need agree on what it means.
"""
from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.skeleton import Literal
from git_model_driver.core.skeleton import Segment
from git_model_driver.core.skeleton import Skeleton
from git_model_driver.core.skeleton import Slot
from git_model_driver.formats.base import Source

NAME = 'safetensors'
_MAX_HEADER = 100_000_000
_METADATA = '__metadata__'
_RANK = {dtype: rank for rank, dtype in enumerate(dtypes.SAFETENSORS)}


def sniff(head: bytes, size: int) -> bool:
    if len(head) < 9:
        return False
    length, = struct.unpack_from('<Q', head)
    return 2 <= length <= min(_MAX_HEADER, size - 8) and head[8:9] in b'{ \t\r\n'


def read(source: Source) -> Layout:
    size = len(source)
    length, = struct.unpack('<Q', source[0:8])
    header = _parse(bytes(source[8:8 + length]))
    meta = header.pop(_METADATA, None)
    meta = {} if meta is None else meta
    if not isinstance(meta, dict) or not all(map(_is_text, (*meta, *meta.values()))):
        raise FormatError('the metadata does not map strings to strings')
    tensors = tuple(_tensor(name, info, 8 + length) for name, info in header.items())
    _check_tiling(tensors, 8 + length, size)
    return Layout(NAME, size, tensors, meta)


def _parse(text: bytes) -> dict[str, Any]:
    header = json.loads(
        text.decode(), object_pairs_hook=_unique, parse_constant=_refuse,
        parse_float=_refuse, parse_int=_natural,
    )
    if not isinstance(header, dict):
        raise FormatError('the header is no object')
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise FormatError('a key stands in the header twice')
    return unique


def _refuse(number: str) -> None:
    raise FormatError(f'{number[:40]} in the header')


def _natural(number: str) -> int:
    if number.startswith('-') or len(number) > 20:
        _refuse(number)
    return int(number)


def _is_text(value: object) -> bool:
    """A string that UTF-8 can hold: no lone surrogates."""
    return isinstance(value, str) and value.encode() is not None


def _tensor(name: str, info: dict[str, Any], data_at: int) -> Tensor:
    """A tensor of the header. Other keys are legal, but unheard of: opaque."""
    _is_text(name)
    if info.keys() != {'dtype', 'shape', 'data_offsets'}:
        raise FormatError(f"'{name}': other keys than dtype, shape, data_offsets")
    dtype, shape, offsets = info['dtype'], info['shape'], info['data_offsets']
    if not isinstance(shape, list) or not isinstance(offsets, list):
        raise FormatError(f"'{name}': shape or offsets are no lists")
    start, end = offsets
    if dtype not in _RANK or not all(map(_is_size, (*shape, start, end))):
        raise FormatError(f"'{name}': no dtype, shape or offsets")
    _check_overflow(dtype, shape)
    if dtypes.byte_length(dtype, shape) != end - start:
        raise FormatError(f"'{name}': shape, dtype and offsets disagree")
    return Tensor(name, dtype, tuple(shape), Extent(data_at + start, end - start))


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _check_overflow(dtype: str, shape: Sequence[int]) -> None:
    """The reference multiplies from the left and stops above 64 bits."""
    bits = 1
    for n in (*shape, dtypes.BITS[dtype]):
        bits *= n
        if bits >= 1 << 64:
            raise FormatError(f'{dtypes.format_shape(shape)} is more than 64 bits hold')


def _check_tiling(tensors: Sequence[Tensor], start: int, size: int) -> None:
    end = start
    for extent in sorted(tensor.extent for tensor in tensors):
        if extent.offset != end:
            raise FormatError('a hole or an overlap between tensors')
        end = extent.end
    if end != size:
        raise FormatError('the data does not end with the file')


def canonical(manifest: Manifest) -> Skeleton:
    """What the safetensors library writes, with the metadata sorted by key.

    (The library leaves the order of metadata to a random hash.) Tensors are in
    descending order of dtype, then by name; the header is padded to 8 bytes.
    """
    ordered = sorted(manifest.tensors.values(), key=_writing_order)
    header: dict[str, Any] = {}
    if manifest.meta:
        header[_METADATA] = dict(sorted(manifest.meta.items()))
    segments: list[Segment] = []
    offset = 0
    for entry in ordered:
        end = offset + entry.nbytes
        header[entry.name] = {
            'dtype': entry.dtype, 'shape': entry.shape, 'data_offsets': (offset, end),
        }
        if entry.nbytes:
            segments.append(Slot(entry.name, entry.nbytes))
        offset = end
    head = _header_bytes(header)
    return Skeleton((Literal(0, len(head)), *segments), memoryview(head))


def _writing_order(entry: Entry) -> tuple[int, str]:
    if entry.dtype not in _RANK or entry.extra or entry.name == _METADATA:
        raise FormatError(f"safetensors cannot hold the tensor '{entry.name}'")
    return -_RANK[entry.dtype], entry.name


def _header_bytes(header: dict[str, Any]) -> bytes:
    text = json.dumps(header, ensure_ascii=False, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text
