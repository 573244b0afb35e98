"""Dtype and shape words."""
from __future__ import annotations

import ml_dtypes
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from tests.testing.properties import PROPERTY


@PROPERTY
@given(st.lists(st.integers(0, (1 << 64) - 1), max_size=5))
def test_a_shape_word_says_the_shape_again(shape: list[int]) -> None:
    assert dtypes.parse_shape(dtypes.format_shape(shape)) == tuple(shape)


@PROPERTY
@given(st.text('0123456789x-+_ .scalr٣', max_size=6))
def test_a_shape_has_one_word(word: str) -> None:
    try:
        shape = dtypes.parse_shape(word)
    except ValueError:
        return
    assert dtypes.format_shape(shape) == word


@pytest.mark.parametrize('word', [
    '', 'x', '1x', 'x1', '01', '+1', '-1', '1_0', '1.0', ' 1', '٣', 'Scalar', '()',
    '1X2', '9' * 21, '9' * 5000, '1x-2',
])
def test_what_is_no_shape_is_a_value_error(word: str) -> None:
    with pytest.raises(ValueError):
        dtypes.parse_shape(word)


@pytest.mark.parametrize('word', dtypes.SAFETENSORS)
def test_numpy_reads_a_word_in_its_own_width(word: str) -> None:
    found = dtypes.as_numpy(word)
    if word in ('F4', 'F6_E2M3', 'F6_E3M2'):
        assert found is None
    else:
        assert found.itemsize * 8 == dtypes.BITS[word]
        assert found.newbyteorder('<') == found


@pytest.mark.parametrize(('word', 'bits'), [
    ('|S3', 24), ('<U5', 160), ('>U1', 32), ('|V2', 16), ('<M8[ns]', 64),
    ('<m8[25s]', 64), ('<M8', 64), ('|S0', 0), ('BYTES', 8), ('C128', 128),
])
def test_words_know_their_width(word: str, bits: int) -> None:
    assert dtypes.element_bits(word) == bits


@pytest.mark.parametrize('word', [
    '', 'f4', 'F8', 'BF32', '|O', '<f4', '|S', '|S-1', 'S3', '|S3 ', '|S1234567890',
])
def test_an_unknown_word_is_a_format_error(word: str) -> None:
    assert dtypes.element_bits(word) is None
    with pytest.raises(FormatError) as e:
        dtypes.byte_length(word, (1,))
    assert e.value.message == f"unknown dtype '{word}'"


@pytest.mark.parametrize(('word', 'shape', 'nbytes'), [
    ('F32', (), 4), ('F32', (0, 5), 0), ('F4', (2,), 1), ('F6_E2M3', (4,), 3),
    ('F6_E3M2', (2, 2, 4), 12), ('BF16', (3, 5), 30), ('F64', (1 << 62,), 1 << 65),
])
def test_byte_lengths(word: str, shape: tuple[int, ...], nbytes: int) -> None:
    assert dtypes.byte_length(word, shape) == nbytes


@pytest.mark.parametrize(('word', 'shape'), [
    ('F4', ()), ('F4', (3,)), ('F6_E2M3', (2,)), ('F6_E3M2', (3, 3)),
])
def test_a_tensor_ends_on_a_byte(word: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match='does not end on a byte'):
        dtypes.byte_length(word, shape)


def test_big_endian_is_only_a_matter_of_reading() -> None:
    assert dtypes.as_numpy('F32', 'big') == numpy.dtype('>f4')
    assert dtypes.as_numpy('BF16') == numpy.dtype(ml_dtypes.bfloat16)
    assert dtypes.as_numpy('|S3') is None
