"""Every number agrees with NumPy's float64, whatever the dtype and however it lies."""
from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest

from git_model_driver.core.errors import FormatError
from git_model_driver.core.manifest import Entry
from git_model_driver.looking import change as changes
from git_model_driver.looking.change import Change
from tests.testing.models import Vault

NAMES = {
    'F64': 'float64', 'F32': 'float32', 'F16': 'float16', 'BF16': ml_dtypes.bfloat16,
    'F8_E4M3': ml_dtypes.float8_e4m3fn, 'F8_E5M2': ml_dtypes.float8_e5m2,
    'I64': 'int64', 'U8': 'uint8', 'BOOL': 'bool', 'C64': 'complex64',
}


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def compared(vault: Vault, old: Entry, new: Entry) -> Change:
    def read(entry: Entry) -> Iterator[memoryview]:
        with vault.store.open(entry.oid) as file:
            yield from file.chunks()

    return changes.compute(old, new, read)


def of_arrays(vault: Vault, a: Any, b: Any, word: str, other: str = '') -> Change:
    return compared(
        vault, vault.entry('a', word, a), vault.entry('a', other or word, b),
    )


def agree(found: Change, a: Any, b: Any) -> None:
    """With NumPy's own, on the elements that are finite on both sides."""
    wide = 'complex128' if a.dtype.kind == 'c' else 'float64'
    with numpy.errstate(invalid='ignore'):
        x, y = (v.astype(wide).reshape(-1) for v in (a, b))
    kept = numpy.isfinite(x) & numpy.isfinite(y)
    assert found.odd == (~kept).sum()
    x, y = x[kept], y[kept]
    norms = numpy.linalg.norm(x), numpy.linalg.norm(y)
    assert found.sums.relative == pytest.approx(
        numpy.linalg.norm(y - x) / norms[0], rel=1e-12,
    )
    assert found.largest == numpy.abs(y - x).max()
    assert found.sums.cosine == pytest.approx(
        numpy.vdot(x, y).real / norms[0] / norms[1], abs=1e-12,
    )


def values(word: str, seed: int, shape: tuple[int, ...]) -> Any:
    random = numpy.random.default_rng(seed)
    found = random.standard_normal(shape) * 5
    if word.startswith('C'):
        found = found + 1j * random.standard_normal(shape)
    if word in ('U8', 'BOOL'):
        found = abs(found)
    return (found > 3 if word == 'BOOL' else found).astype(NAMES[word])


@pytest.mark.parametrize('word', NAMES)
def test_numbers_are_numpys(vault: Vault, word: str) -> None:
    a, b = values(word, 1, (300, 701)), values(word, 2, (300, 701))
    found = of_arrays(vault, a, b, word)
    agree(found, a, b)
    bits = [x.view('u1').reshape(a.size, -1) for x in (a, b)]
    assert found.changed == (bits[0] != bits[1]).any(axis=1).sum()
    assert found.elements == a.size


@pytest.mark.parametrize(('word', 'other'), [('F32', 'BF16'), ('F64', 'I64')])
def test_another_dtype_is_compared_by_value(
    vault: Vault, word: str, other: str,
) -> None:
    a = values(word, 1, (70, 100))
    a[0] = 2
    b = a.astype(NAMES[other])
    found = of_arrays(vault, a, b, word, other)
    agree(found, a, b)
    assert found.changed == (a.astype('f8') != b.astype('f8')).sum() <= a.size - 100


def test_what_is_not_finite_is_counted_and_left_out(vault: Vault) -> None:
    nan, inf = math.nan, math.inf
    a = numpy.array([1, nan, inf, 4, 5, nan], 'f4')
    b = numpy.array([2, nan, 3, -inf, nan, 6], 'f4')
    found = of_arrays(vault, a, b, 'F32')
    agree(found, a, b)
    assert found.changed == 5
    none = of_arrays(vault, a[1:2], b[1:2], 'F32')
    assert (none.sums.relative, none.largest, none.changed) == (0, 0, 0)
    assert math.isnan(none.sums.cosine)


def test_zeros_signs_and_nothing_at_all(vault: Vault) -> None:
    zero = numpy.zeros(4, 'f4')
    assert of_arrays(vault, zero, zero + 1, 'F32').sums.relative == math.inf
    signs = of_arrays(vault, zero, -zero, 'F32')
    assert (signs.changed, signs.sums.relative, signs.largest) == (4, 0, 0)
    empty = of_arrays(vault, zero[:0], zero[:0], 'F32')
    assert (empty.elements, empty.changed, empty.sums.relative) == (0, 0, 0)


def test_huge_values_overflow_as_numpys_do(vault: Vault) -> None:
    a = numpy.full(200_000, 1e300).reshape(400, 500)
    b = a.copy()
    b[:200] = -a[:200]      # sums of whole blocks are -inf, others +inf
    found = of_arrays(vault, a, b, 'F64')
    assert found.sums.delta == math.inf and found.largest == 2e300
    assert math.isnan(found.sums.cosine)


def test_elements_are_matched_however_they_lie(vault: Vault) -> None:
    a, b = values('F32', 1, (40, 50)), values('F32', 2, (40, 50))
    plain = vault.entry('a', 'F32', a)
    swapped = vault.entry('a', 'F32', b.byteswap(), ('endian', 'big'))
    packed = zlib.compress(b.tobytes())
    oid = vault.put(packed)
    deflated = Entry('a', 'F32', b.shape, oid, (
        ('bytes', str(len(packed))), ('encoding', 'zlib'),
    ))
    storage = numpy.concatenate([values('F32', 3, (7,)), b.reshape(-1)])
    view = vault.entry('a', 'F32', storage, ('start', '7'), (
        'bytes', str(storage.nbytes)))._replace(shape=b.shape)
    for new in (swapped, deflated, view):
        agree(compared(vault, plain, new), a, b)
    with pytest.raises(FormatError, match='outside'):
        compared(vault, plain, view._replace(extra=(
            ('start', '8'), ('bytes', str(storage.nbytes)))))


def test_a_tensor_that_is_too_short_is_no_half_comparison(vault: Vault) -> None:
    whole = vault.entry('a', 'F32', values('F32', 1, (40, 50)))
    short = vault.entry('a', 'F32', values('F32', 2, (39, 50)))
    with pytest.raises(FormatError, match='not as long as its shape says'):
        compared(vault, whole, short._replace(shape=(40, 50)))


@pytest.mark.parametrize('rows', [512, 500, 70])
def test_a_change_that_repeats_has_the_rank_of_one_period(
    vault: Vault, rows: int,
) -> None:
    old = values('F32', 1, (rows, 256))
    once = values('F32', 2, (8, 256))
    new = old + numpy.tile(once, (rows // 8 + 1, 1))[:rows]
    assert of_arrays(vault, old, new, 'F32').rank == 8
