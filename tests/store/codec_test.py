"""What is encoded is decoded, whatever it is; what can be small is small."""
from __future__ import annotations

import random
from typing import Any

import ml_dtypes
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.store.codec import chunk
from git_model_driver.store.codec import form as forms
from git_model_driver.store.codec import modes
from git_model_driver.store.codec import sampling
from git_model_driver.store.codec import zstd
from git_model_driver.store.codec.form import BYTES
from git_model_driver.store.codec.form import DOCUMENT
from git_model_driver.store.codec.form import FLOAT
from git_model_driver.store.codec.form import INTEGER
from git_model_driver.store.codec.form import Form
from tests.testing.properties import PROPERTY

FORMS = [
    BYTES, DOCUMENT,
    *(Form(width, kind) for width in (2, 4, 8) for kind in (INTEGER, FLOAT)),
]
SMALL = st.one_of(
    st.binary(max_size=400),
    st.builds(lambda piece, n: piece * n, st.binary(min_size=1, max_size=9),
              st.integers(1, 300)),
)
FLOATS = {
    'F64': numpy.float64, 'F32': numpy.float32, 'F16': numpy.float16,
    'BF16': ml_dtypes.bfloat16,
}


def there_and_back(raw: bytes, form: Form, base: bytes | None) -> chunk.Encoded:
    view = None if base is None else memoryview(base)
    encoded = chunk.encode(memoryview(raw), form, view)
    data = memoryview(b''.join(encoded.parts))
    assert bytes(chunk.decode(encoded.mode, data, len(raw), form, view)) == raw
    return encoded


@PROPERTY
@given(SMALL.filter(bool), st.sampled_from(FORMS), st.none() | SMALL)
def test_any_bytes_in_any_form(raw: bytes, form: Form, base: bytes | None) -> None:
    assert there_and_back(raw, form, base or None).nbytes <= len(raw)


@PROPERTY
@given(st.data(), st.sampled_from(FORMS))
def test_a_few_changes_to_any_bytes(data: st.DataObject, form: Form) -> None:
    base = random.Random(data.draw(st.integers())).randbytes(2000)
    raw = bytearray(base)
    for at in data.draw(st.lists(st.integers(0, 1999), max_size=5)):
        raw[at] = data.draw(st.integers(0, 255))
    raw += data.draw(st.binary(max_size=9))
    encoded = there_and_back(bytes(raw), form, base)
    assert encoded.mode in (modes.CHANGED, modes.PATCH)
    assert encoded.nbytes < 500


@PROPERTY
@given(SMALL, st.sampled_from(FORMS), st.integers(0, 255), st.integers(0, 3000),
       st.none() | SMALL)
def test_any_bytes_are_refused_or_decoded_to_the_length_asked_for(
    data: bytes, form: Form, mode: int, nbytes: int, base: bytes | None,
) -> None:
    view = None if base is None else memoryview(base)
    try:
        raw = chunk.decode(mode, memoryview(data), nbytes, form, view)
    except ValueError:
        return
    assert mode == modes.RAW or len(raw) == nbytes


@pytest.mark.parametrize('width', [2, 4, 8])
def test_every_bit_pattern_differs_exactly(width: int) -> None:
    top = 1 << (8 * width - 1)
    special = [0, 1, 2 * top - 1, top, top - 1]
    numbers = numpy.array(special * 40, f'<u{width}')
    for shift in range(5):
        there_and_back(
            numbers.tobytes(), Form(width, FLOAT), numpy.roll(numbers, shift).tobytes(),
        )


def drawn(dtype: str, drift: float = 0.0) -> bytes:
    rng = numpy.random.default_rng(7)
    values = rng.standard_normal(200_000) * 0.02
    values += numpy.random.default_rng(8).standard_normal(200_000) * drift
    return numpy.asarray(values).astype(FLOATS[dtype]).tobytes()


@pytest.mark.parametrize(('dtype', 'alone', 'near'), [
    ('F64', 1.09, 1.30), ('F32', 1.19, 1.85), ('F16', 1.15, 3.1), ('BF16', 1.48, 5.0),
])
def test_weights_take_less(dtype: str, alone: float, near: float) -> None:
    raw, form = drawn(dtype, 2e-5), forms.of_dtype(dtype)
    assert len(raw) / there_and_back(raw, form, None).nbytes > alone
    assert len(raw) / there_and_back(raw, form, drawn(dtype)).nbytes > near


def test_what_is_not_near_is_stored_alone() -> None:
    other = numpy.random.default_rng(9).standard_normal(200_000)
    raw = other.astype(numpy.float32).tobytes()
    encoded = there_and_back(raw, Form(4, FLOAT), drawn('F32'))
    assert encoded.mode == modes.PLANES


def test_rows_that_were_added_follow_the_others() -> None:
    old = drawn('F32', 2e-5)
    encoded = there_and_back(old + drawn('F32')[:9000], Form(4, FLOAT), old)
    assert encoded.mode == modes.CHANGED
    assert encoded.nbytes < 9000


def guessed(raw: Any) -> Form:
    return sampling.guess(memoryview(bytes(raw)))


def test_forms_are_guessed() -> None:
    assert guessed(drawn('F32')) in (Form(4, FLOAT), Form(4, INTEGER))
    assert guessed(drawn('BF16')) == Form(2, FLOAT)
    assert guessed(drawn('F64')) in (Form(8, FLOAT), Form(8, INTEGER))
    assert guessed(b'{"layer": {"units": 1}}, ' * 900) == DOCUMENT


def test_the_code_of_a_form_is_read_again() -> None:
    known = {form.code: form for form in map(forms.from_code, range(256)) if form}
    assert len(known) == 11
    assert all(form.code == code for code, form in known.items())
    assert set(FORMS) <= set(known.values())


@pytest.mark.parametrize(('dtype', 'form'), [
    ('F32', Form(4, FLOAT)), ('BF16', Form(2, FLOAT)), ('C64', Form(4, FLOAT)),
    ('C128', Form(8, FLOAT)), ('I64', Form(8)), ('F8_E4M3', BYTES), ('BOOL', BYTES),
    ('F4', BYTES), ('F6_E2M3', BYTES), ('Q8_0', BYTES), ('|S3', BYTES), ('<U5', BYTES),
])
def test_the_form_of_a_dtype(dtype: str, form: Form) -> None:
    assert forms.of_dtype(dtype) == form


def test_a_frame_that_would_blow_up_is_refused() -> None:
    bomb = zstd.compress(bytes(1 << 24), zstd.RUNS)
    for nbytes in (0, 1, 1 << 20, (1 << 24) + 1):
        with pytest.raises(ValueError):
            zstd.decompress(bomb, nbytes)
    assert zstd.decompress(bomb, 1 << 24) == bytes(1 << 24)
