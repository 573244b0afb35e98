"""From an extent's bytes to those of its values."""
from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy
import pytest

from git_model_driver.core.errors import FormatError
from git_model_driver.core.manifest import Entry
from git_model_driver.core.oid import of_bytes
from git_model_driver.formats import values
from tests.testing.models import npy
from tests.testing.models import numbered


def deflate(data: bytes) -> bytes:
    compress = zlib.compressobj(6, zlib.DEFLATED, -15)
    return compress.compress(data) + compress.flush()


def entry(
    dtype: str, shape: tuple[int, ...], *extra: tuple[str, str],
) -> Entry:
    return Entry('w', dtype, shape, of_bytes(b''), extra)


def deflated(dtype: str, shape: tuple[int, ...], data: bytes) -> Entry:
    extra = (('bytes', str(len(data))), ('encoding', 'deflate'))
    return entry(dtype, shape, *extra)


def cut(data: bytes, length: int) -> Iterator[bytes]:
    return (data[i:i + length] for i in range(0, len(data), length))


def test_what_is_not_encoded_is_what_it_is() -> None:
    assert list(values.decoded(entry('F32', (2,)), [b'1234', b'5678'])) == [
        b'1234', b'5678',
    ]


@pytest.mark.parametrize('length', [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize('count', [0, 1, 5, 300_000])
def test_a_deflated_array_is_its_values_in_whole_elements(
    count: int, length: int,
) -> None:
    array = numpy.arange(count, dtype='c16')
    data = deflate(npy(array))
    pieces = [
        bytes(piece)
        for piece in values.decoded(deflated('C128', (count,), data), cut(data, length))
    ]
    assert all(len(piece) % 16 == 0 for piece in pieces)
    assert b''.join(pieces) == array.tobytes()


def test_deflated_bytes_are_their_bytes() -> None:
    data = deflate(b'hello')
    assert b''.join(values.decoded(deflated('BYTES', (5,), data), [data])) == b'hello'


@pytest.mark.parametrize('shape', [(2,), (4,), (1 << 40,), ()])
def test_another_length_than_the_shape_says_is_an_error(shape: tuple[int, ...]) -> None:
    data = deflate(npy(numbered(3)))
    with pytest.raises(FormatError):
        list(values.decoded(deflated('F32', shape, data), [data]))


def test_a_bomb_is_left_alone_before_it_goes_off() -> None:
    data = deflate(npy(numpy.zeros(50_000_000, 'u1')))
    assert len(data) < 100_000
    made = deflated('U8', (9,), data)
    given = 0
    with pytest.raises(FormatError):
        for piece in values.decoded(made, [data]):
            given += len(piece)
    assert given <= 5 << 20


@pytest.mark.parametrize('data', [b'', b'\xff' * 9, deflate(b'no array at all')])
def test_what_cannot_be_inflated_is_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        list(values.decoded(deflated('F32', (3,), data), [data]))


def test_an_encoding_of_a_newer_version_is_told() -> None:
    newer = entry('F32', (1,), ('encoding', 'brotli'))
    with pytest.raises(FormatError, match="the encoding 'brotli' is not known here"):
        list(values.decoded(newer, []))
