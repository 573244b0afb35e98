""".npy files, with NumPy as the judge."""
from __future__ import annotations

import io
from itertools import product
from typing import Any

import ml_dtypes
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core.errors import FormatError
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import of_bytes
from git_model_driver.formats import base
from git_model_driver.formats import npy
from git_model_driver.formats import registry
from tests.testing.models import npy as make
from tests.testing.models import npy_by_hand
from tests.testing.properties import PROPERTY

PLAIN = {
    '?': 'BOOL', 'u1': 'U8', 'i1': 'I8', 'u2': 'U16', 'i2': 'I16', 'u4': 'U32',
    'i4': 'I32', 'u8': 'U64', 'i8': 'I64', 'f2': 'F16', 'f4': 'F32', 'f8': 'F64',
    'c8': 'C64', 'c16': 'C128',
}
OWN = ['|S3', '<U5', '>U5', '|V2', '<M8[ns]', '>m8[s]', '<M8[25s]', '<m8']
OPAQUE: dict[str, Any] = {
    'objects': numpy.array([1, None], object),
    'records': numpy.zeros(2, [('a', 'f4'), ('b', 'i2')]),
    'records in records': numpy.zeros(2, [('a', [('b', 'f4')])]),
    'arrays in records': numpy.zeros(2, [('a', 'f4', (2, 2))]),
}


def entry(data: bytes) -> Entry:
    (tensor,) = base.read(npy, data).tensors
    name, dtype, shape, _, extra, _ = tensor
    return Entry(name, dtype, shape, of_bytes(b''), extra)


def saved(array: Any) -> bytes:
    out = io.BytesIO()
    numpy.save(out, array)
    return out.getvalue()


def canonical_head(data: bytes) -> bytes:
    made = entry(data)
    manifest = Manifest('npy', None, {}, {made.name: made})
    return bytes(npy.canonical(manifest).literals)


@pytest.mark.parametrize('order', 'CF')
@pytest.mark.parametrize('endian', '<>')
@pytest.mark.parametrize('shape', [(), (0,), (1,), (7,), (2, 3), (4, 0, 2), (2, 3, 4)])
@pytest.mark.parametrize('dtype', PLAIN)
def test_plain_arrays_are_read_and_written_as_numpy_does(
    dtype: str, shape: tuple[int, ...], endian: str, order: Any,
) -> None:
    array = numpy.zeros(shape, endian + dtype, order=order)
    data = saved(array)
    (tensor,) = base.read(npy, data).tensors
    assert (tensor.name, tensor.dtype, tensor.shape) == ('array', PLAIN[dtype], shape)
    assert tensor.extent == (len(data) - array.nbytes, array.nbytes)
    endian_counts = endian == '>' and array.itemsize > 1
    order_counts = order == 'F' and len(shape) > 1 and array.size > 0
    assert dict(tensor.extra) == {
        **({'endian': 'big'} if endian_counts else {}),
        **({'order': 'F'} if order_counts else {}),
    }
    assert canonical_head(data) + bytes(array.nbytes) == data


@pytest.mark.parametrize('dtype', OWN)
def test_dtypes_of_numpy_alone_are_kept_in_its_words(dtype: str) -> None:
    data = saved(numpy.zeros((2, 3), dtype))
    assert entry(data).dtype == dtype
    assert data.startswith(canonical_head(data))


def test_bfloat16_is_two_bytes_that_numpy_has_no_name_for() -> None:
    data = saved(numpy.ones(3, ml_dtypes.bfloat16))
    assert entry(data).dtype in ('<V2', '|V2')


@PROPERTY
@given(st.lists(st.integers(1, 999), min_size=0, max_size=9), st.booleans())
def test_the_canonical_header_has_numpys_padding(
    shape: list[int], fortran: bool,
) -> None:
    # No bytes behind it: shapes here are larger than memory.
    order = (('order', 'F'),) if fortran and len(shape) > 1 else ()
    made = Entry('array', 'F32', tuple(shape), of_bytes(b''), order)
    assert npy.header_bytes(made) == header(made.shape, bool(order))


def test_the_canonical_header_has_numpys_padding_at_every_length() -> None:
    lengths = set()
    for axes, digits in product(range(2, 24), (1, 10, 100, 1000)):
        shape = (digits, *[10] * (axes - 2), digits)
        made = Entry('array', 'F32', shape, of_bytes(b''))
        data = header(shape, False)
        lengths.add(len(data.rstrip()) % 64)
        assert npy.header_bytes(made) == data
    assert len(lengths) == 32


def header(shape: tuple[int, ...], fortran: bool) -> bytes:
    out = io.BytesIO()
    numpy.lib.format.write_array_header_1_0(
        out, {'descr': '<f4', 'fortran_order': fortran, 'shape': shape},
    )
    return out.getvalue()


@pytest.mark.parametrize('version', [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_header_is_read(version: tuple[int, int]) -> None:
    array = numpy.arange(6, dtype='>i4').reshape(2, 3)
    data = make(array, version)
    (tensor,) = base.read(npy, data).tensors
    assert (tensor.dtype, tensor.shape) == ('I32', (2, 3))
    assert tensor.extra == (('endian', 'big'),)
    assert data[tensor.extent.offset:] == array.tobytes()


@pytest.mark.parametrize('case', OPAQUE)
def test_what_is_no_plain_array_is_opaque(case: str) -> None:
    assert registry.read_any(saved(OPAQUE[case])) is None


FIELDS = {'descr': "'<f4'", 'fortran_order': 'False', 'shape': '(1,)'}


def fields(**changes: str) -> str:
    pairs = {**FIELDS, **changes}.items()
    return '{' + ', '.join(f"'{key}': {value}" for key, value in pairs) + '}\n'


GOOD = fields()
BAD: dict[str, bytes] = {
    'syntax': npy_by_hand(GOOD[:-2], b'1234'),
    'an expression': npy_by_hand(fields(shape='(1+1,)'), b'12345678'),
    'a call': npy_by_hand(fields(shape='tuple([1])'), b'1234'),
    'a name': npy_by_hand(fields(fortran_order='false'), b'1234'),
    'a list': npy_by_hand('[]'),
    'a set': npy_by_hand("{'descr', 'shape', 'fortran_order'}"),
    'a number': npy_by_hand('17'),
    'nothing': npy_by_hand(''),
    'NUL': npy_by_hand(GOOD + '\0', b'1234'),
    'a warning': npy_by_hand(fields(descr="'\\d'"), b'1234'),
    'more fields': npy_by_hand(GOOD[:-2] + ", 'x': 1}", b'1234'),
    'fewer fields': npy_by_hand("{'descr': '<f4', 'shape': (1,)}", b'1234'),
    'shape a list': npy_by_hand(fields(shape='[1]'), b'1234'),
    'shape a number': npy_by_hand(fields(shape='1'), b'1234'),
    'shape negative': npy_by_hand(fields(shape='(-1,)')),
    'shape of truth': npy_by_hand(fields(shape='(True,)'), b'1234'),
    'shape of a float': npy_by_hand(fields(shape='(1.0,)'), b'1234'),
    'shape too large': npy_by_hand(fields(shape=f'({1 << 63},)')),
    'shape overflows': npy_by_hand(fields(shape=f'({1 << 62}, {1 << 62})')),
    'order a number': npy_by_hand(fields(fortran_order='0'), b'1234'),
    'dtype unknown': npy_by_hand(fields(descr="'<f3'"), b'123'),
    'dtype without byte order': npy_by_hand(fields(descr="'f4'"), b'1234'),
    'dtype of this machine': npy_by_hand(fields(descr="'=f4'"), b'1234'),
    'dtype of objects': npy_by_hand(fields(descr="'|O'"), b'12345678'),
    'dtype a type': npy_by_hand(fields(descr="b'<f4'"), b'1234'),
    'dtype a list': npy_by_hand(fields(descr="['<f4']"), b'1234'),
    'data too short': npy_by_hand(GOOD, b'123'),
    'data too long': npy_by_hand(GOOD, b'12345'),
    'version 0': npy_by_hand(GOOD, b'1234', 0),
    'version 4': npy_by_hand(GOOD, b'1234', 4),
    'header cut off': npy_by_hand(GOOD)[:40],
    'length cut off': npy_by_hand(GOOD)[:9],
    'header too long': npy_by_hand(GOOD + ' ' * 70000, b'1234', 2),
    'deep': npy_by_hand(fields(shape='(' * 9000 + ')' * 9000), b'1234'),
    'very deep': npy_by_hand('-' * 60000 + '1'),
    'deep lists': npy_by_hand('[' * 30000 + ']' * 30000),
    'many digits': npy_by_hand(fields(shape=f'({"1" * 5000},)')),
    'no UTF-8': npy_by_hand(fields(descr="'\xff'"), b'1234')[:6] + b'\3\0' + b'\4\0\0\0'
    + b'\xff\xff\xff\xff',
}


@pytest.mark.parametrize('case', BAD)
def test_a_bad_header_is_opaque(case: str) -> None:
    assert registry.read_any(BAD[case]) is None
    with pytest.raises(FormatError):
        base.read(npy, BAD[case])


def test_an_odd_header_is_read_and_is_not_canonical() -> None:
    data = npy_by_hand(GOOD, b'1234')
    assert entry(data).shape == (1,)
    assert not data.startswith(canonical_head(data))


@pytest.mark.parametrize('made', [
    Entry('array', 'BF16', (1,), of_bytes(b'')),
    Entry('array', 'BYTES', (1,), of_bytes(b'')),
    Entry('array', 'F32', (1,), of_bytes(b''), (('unknown', '1'),)),
    Entry('array', 'F32', (1,), of_bytes(b''), (('encoding', 'deflate'),)),
    Entry('array', 'F32', (1,) * 30000, of_bytes(b'')),
    Entry('another', 'F32', (1,), of_bytes(b'')),
])
def test_what_a_file_cannot_hold_has_no_canonical_layout(made: Entry) -> None:
    with pytest.raises(FormatError):
        npy.canonical(Manifest('npy', None, {}, {made.name: made}))


def test_metadata_has_no_place_in_a_file() -> None:
    made = entry(saved(numpy.ones(1)))
    with pytest.raises(FormatError):
        npy.canonical(Manifest('npy', None, {'a': 'b'}, {'array': made}))
    with pytest.raises(FormatError):
        npy.canonical(Manifest('npy', None, {}, {}))
