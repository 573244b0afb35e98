"""Bytes as numbers and back."""
from __future__ import annotations

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import numbers
from tests.testing.properties import PROPERTY

NUMERIC = [word for word in (*dtypes.SAFETENSORS, 'C128') if dtypes.as_numpy(word)]
_COMPUTED = {'F64': 'float64', 'C64': 'complex64', 'C128': 'complex128'}


@pytest.mark.parametrize('endian', ['little', 'big'])
@pytest.mark.parametrize('word', NUMERIC)
def test_every_bit_pattern_is_stored_and_comes_back(word: str, endian: str) -> None:
    width = dtypes.BITS[word] // 8
    data = numpy.random.default_rng(1).bytes(width * 4096)
    if word == 'BOOL':
        data = bytes(byte & 1 for byte in data)
    array = numbers.stored(data, word, endian)
    assert array.dtype.isnative and len(array) == 4096
    assert numbers.to_bytes(array, word, endian) == data
    assert numbers.same_bits(array, array).all()


@pytest.mark.parametrize('word', sorted(dtypes.FLOATS))
def test_widening_and_rounding_again_changes_nothing(word: str) -> None:
    width = dtypes.BITS[word] // 8
    data = bytes(range(256)) * width + numpy.random.default_rng(2).bytes(width * 4096)
    array = numbers.stored(data, word)
    wide = numbers.widened(array, word)
    assert wide.dtype == _COMPUTED.get(word, 'float32')
    back = numbers.rounded(wide, word)
    number = ~numpy.isnan(wide)
    assert numbers.same_bits(back, array)[number].all()


def test_numbers_that_are_equal_need_not_be_the_same() -> None:
    one = numpy.array([0.0, 1.0, math.nan, math.nan], 'f4')
    other = numpy.array([-0.0, 1.0, math.nan, math.nan], 'f4')
    other.view('u4')[3] ^= 1
    assert numbers.same_bits(one, other).tolist() == [False, True, True, False]
    pairs = numbers.same_bits(one.view('c8'), other.view('c8'))
    assert pairs.tolist() == [False, False]
    assert numbers.same_bits(one.view('c8'), one.view('c8')).tolist() == [True, True]


@PROPERTY
@given(st.lists(st.floats(-1e9, 1e9), max_size=300))
def test_a_tree_sum_is_near_the_exact_one(values: list[float]) -> None:
    total = numbers.tree_sum(numpy.array(values, 'f8'))
    size = math.fsum(map(abs, values))
    assert abs(total - math.fsum(values)) <= 1e-14 * size


def test_a_tree_sum_has_its_own_order() -> None:
    values = numpy.array([1e16, 1.0, -1e16, 1.0, 1.0])
    # ((1e16 + 1) + -1e16) + (1 + 1) is how halves of eight come together
    assert numbers.tree_sum(values) == ((1e16 + 1.0) + -1e16) + (1.0 + 1.0)
    assert numbers.tree_sum(numpy.array([])) == 0.0
