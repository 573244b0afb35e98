"""What was done to a matrix as a whole is found, stored, and done again exactly."""
from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.oid import Oid
from git_model_driver.store.batch import Item
from git_model_driver.store.codec import fit
from git_model_driver.store.codec import form as forms
from git_model_driver.store.codec import update as updates
from git_model_driver.store.codec.update import COLUMNS
from git_model_driver.store.codec.update import LOW_RANK
from git_model_driver.store.codec.update import ROWS
from git_model_driver.store.codec.update import Matrix
from git_model_driver.store.codec.update import Update
from git_model_driver.store.digest import check_digest
from git_model_driver.store.objectheader import UPDATED
from git_model_driver.store.objects import Store
from git_model_driver.store.source import BytesSpan
from tests.testing.properties import PROPERTY

DTYPES = {
    'F32': numpy.float32, 'F16': numpy.float16, 'BF16': ml_dtypes.bfloat16,
}
SHAPE = 192, 160


def random() -> numpy.random.Generator:
    return numpy.random.default_rng(5)


def base(dtype: str, shape: tuple[int, int] = SHAPE) -> Any:
    return (random().standard_normal(shape) * 0.02).astype(DTYPES[dtype])


def lora(old: Any, rank: int = 8, size: float = 0.01) -> Any:
    """W + B A, in float32 as PEFT merges it."""
    rng = numpy.random.default_rng(6)
    b = rng.standard_normal((old.shape[0], rank)) * size
    a = rng.standard_normal((rank, old.shape[1])) * 0.05
    product = b.astype(numpy.float32) @ a.astype(numpy.float32)
    return (old.astype(numpy.float32) + product).astype(old.dtype)


def scaled(old: Any, axis: int) -> Any:
    rng = numpy.random.default_rng(6)
    shape = [1, 1]
    shape[axis] = old.shape[axis]
    scale = 1 + 0.05 * rng.standard_normal(shape).astype(numpy.float32)
    return (old.astype(numpy.float32) * scale).astype(old.dtype)


def fitted(dtype: str, new: Any, old: Any) -> Update | None:
    one, other = new.tobytes(), old.tobytes()
    return fit.fit(
        Matrix(dtype, *old.shape), lambda at, n: one[at:at + n],
        lambda at, n: other[at:at + n],
    )


@pytest.mark.parametrize('dtype', DTYPES)
def test_a_low_rank_update_is_found(dtype: str) -> None:
    update = fitted(dtype, lora(base(dtype)), base(dtype))
    assert update and (update.kind, update.rank) == (LOW_RANK, 8)
    assert update.left.shape == (192, 8) and update.right.shape == (8, 160)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize(('axis', 'kind'), [(0, ROWS), (1, COLUMNS)])
def test_scaled_rows_and_columns_are_found(dtype: str, axis: int, kind: int) -> None:
    update = fitted(dtype, scaled(base(dtype), axis), base(dtype))
    assert update and update.kind == kind


@pytest.mark.parametrize('dtype', DTYPES)
def test_noise_is_no_update(dtype: str) -> None:
    noise = random().standard_normal(SHAPE)[::-1] * 1e-3
    new = (base(dtype).astype(float) + noise).astype(DTYPES[dtype])
    assert fitted(dtype, new, base(dtype)) is None
    assert fitted(dtype, base(dtype), base(dtype)) is None


@pytest.mark.parametrize('special', [numpy.nan, numpy.inf, 1e300])
@pytest.mark.parametrize('dtype', DTYPES)
def test_values_that_are_no_numbers_do_no_harm(dtype: str, special: float) -> None:
    with numpy.errstate(over='ignore'):
        new, old = lora(base(dtype)), base(dtype)
        for at in ((0, 0), (96, 3), (191, 159)):
            new[at] = special
            old[at] = special
    with numpy.errstate(over='raise', invalid='raise'):
        fitted(dtype, new, old)
        fitted(dtype, new, base(dtype))


def put(store: Store, dtype: str, array: Any, old: Oid | None = None) -> Oid:
    matrix = updates.matrix_of(dtype, array.shape)
    span = BytesSpan(array.tobytes())
    with store.batch() as batch:
        return batch.put(Item(span, forms.of_dtype(dtype), lambda: old, matrix))


# Most of it are the factors, in matrices as small as these.
@pytest.mark.parametrize(('dtype', 'room'), [
    ('F32', 0.15), ('F16', 0.25), ('BF16', 0.25),
])
@pytest.mark.parametrize('change', [
    lora, partial(scaled, axis=0), partial(scaled, axis=1),
])
def test_it_is_stored_in_little_room(
    tmp_path: Path, dtype: str, room: float, change: Any,
) -> None:
    store = Store(tmp_path)
    old = base(dtype)
    new = change(old)
    oid = put(store, dtype, new, put(store, dtype, old))
    with store.open(oid) as file:
        assert file.header.codec == UPDATED
        assert file.stored < room * new.nbytes
        file.verify()
        check_digest(file)
        assert file.read(0, file.nbytes) == new.tobytes()
        assert file.read(1000, 77) == new.tobytes()[1000:1077]


def test_rows_that_lie_in_two_chunks_are_put_together(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old = base('F32', (1300, 701))
    new = lora(old)
    oid = put(store, 'F32', new, put(store, 'F32', old))
    with store.open(oid) as file:
        assert file.chunk_count == 4 and file.header.codec == UPDATED
        assert b''.join(map(bytes, file.chunks())) == new.tobytes()


def test_a_chain_of_updates_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    versions = [base('F32')]
    oids = [put(store, 'F32', versions[0])]
    for i in range(12):
        versions.append(lora(versions[-1], rank=2, size=0.01 * (i + 1)))
        oids.append(put(store, 'F32', versions[-1], oids[-1]))
    for oid, version in zip(oids, versions):
        assert store.read(oid) == version.tobytes()


@pytest.mark.parametrize('at', [70, 96, 99, 112, 120, 300, -1])
def test_a_damaged_update_is_found(tmp_path: Path, at: int) -> None:
    store = Store(tmp_path)
    oid = put(store, 'BF16', lora(base('BF16')), put(store, 'BF16', base('BF16')))
    data = bytearray(store.path(oid).read_bytes())
    data[at] ^= 1
    store.path(oid).chmod(0o600)
    store.path(oid).write_bytes(data)
    with pytest.raises(CorruptObject), store.open(oid) as file:
        file.verify()
    with pytest.raises(CorruptObject):
        store.read(oid)


@PROPERTY
@given(st.data(), st.sampled_from(list(DTYPES)))
def test_any_part_is_predicted_as_in_the_whole(data: st.DataObject, dtype: str) -> None:
    rows, columns = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    rng = numpy.random.default_rng(data.draw(st.integers(0, 9)))
    kind = data.draw(st.sampled_from([LOW_RANK, ROWS, COLUMNS]))
    rank = data.draw(st.integers(1, 3)) if kind == LOW_RANK else 1
    left = rng.standard_normal((rows, rank)).astype('<f4')
    right = rng.standard_normal((rank, columns)).astype('<f4')
    update = Update(
        Matrix(dtype, rows, columns), kind, data.draw(st.booleans()),
        left[:0] if kind == COLUMNS else left,
        right[:, :0] if kind == ROWS else right,
    )
    width = update.matrix.width
    old = memoryview(rng.bytes(rows * columns * width))
    whole = bytes(update.predict(old, 0))
    first = data.draw(st.integers(0, rows * columns))
    last = data.draw(st.integers(first, rows * columns))
    part = update.predict(old[first * width:last * width], first)
    assert bytes(part) == whole[first * width:last * width]
    again = updates.unpack(update.pack())
    assert bytes(again.predict(old, 0)) == whole


@PROPERTY
@given(st.binary(max_size=200))
def test_any_bytes_are_an_update_or_refused(data: bytes) -> None:
    for head in (b'', bytes([0, 0, 2, 0, 1, 0, 0, 0])):
        try:
            update = updates.unpack(head + data)
        except ValueError:
            continue
        assert updates.unpack(update.pack())[:3] == update[:3]


def test_rows_that_are_no_rows_are_refused() -> None:
    """One that says so would ask for terabytes."""
    one = numpy.ones((1, 1), '<f4')
    update = Update(Matrix('F32', 1, 1 << 40), ROWS, False, one, one[:, :0])
    with pytest.raises(ValueError):
        updates.unpack(update.pack())


def test_a_matrix_of_very_long_rows_is_left_alone() -> None:
    def read(offset: int, length: int) -> bytes:
        raise AssertionError('nothing is read')

    assert fit.fit(Matrix('F32', 64, 1 << 30), read, read) is None
    assert fit.fit(Matrix('F32', 1 << 30, 8), read, read) is None


def test_only_arrays_of_floats_are_matrices() -> None:
    assert updates.matrix_of('F32', (3, 4, 5)) == Matrix('F32', 3, 20)
    assert updates.matrix_of('F32', (3,)) is None
    assert updates.matrix_of('F32', ()) is None
    assert updates.matrix_of('F64', (3, 4)) is None
    assert updates.matrix_of('I64', (3, 4)) is None
    assert updates.matrix_of('F8_E4M3', (3, 4)) is None
    assert updates.matrix_of('F32', (3, 4), (('order', 'F'),)) is None
