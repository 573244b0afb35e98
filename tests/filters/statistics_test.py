"""Statistics, against NumPy in float64 and exact sums."""
from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import numbers
from git_model_driver.core.manifest import Entry
from git_model_driver.core.oid import of_bytes
from git_model_driver.filters import statistics
from git_model_driver.filters.statistics import Statistics
from git_model_driver.store.cache import Cache
from tests.testing.models import Vault
from tests.testing.models import npz
from tests.testing.models import numbered
from tests.testing.properties import PROPERTY

WORDS = {
    'bool': 'BOOL', 'uint8': 'U8', 'int8': 'I8', 'int16': 'I16', 'uint16': 'U16',
    'int32': 'I32', 'uint32': 'U32', 'int64': 'I64', 'uint64': 'U64',
    'float16': 'F16', 'float32': 'F32', 'float64': 'F64', 'bfloat16': 'BF16',
    'float8_e4m3fn': 'F8_E4M3', 'float8_e5m2': 'F8_E5M2',
    'float8_e4m3fnuz': 'F8_E4M3FNUZ', 'float8_e5m2fnuz': 'F8_E5M2FNUZ',
    'float8_e8m0fnu': 'F8_E8M0',
}
SIZE = numbers.BLOCK * 2 + 77


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def of(array: Any, *extra: tuple[str, str], chunk: int = 1 << 22) -> Statistics | None:
    name = array.dtype.newbyteorder('=').name
    entry = Entry('w', WORDS[name], array.shape, of_bytes(b''), extra)
    return statistics.compute(entry, cut(array.tobytes(), chunk))


def cut(data: bytes, length: int) -> Iterator[bytes]:
    return (data[i:i + length] for i in range(0, len(data), length))


def expected(array: Any) -> Statistics:
    with numpy.errstate(invalid='ignore'):      # signalling NaN
        wide = array.astype('float64').ravel()
    finite = wide[numpy.isfinite(wide)]
    nan = int(numpy.isnan(wide).sum())
    mean = math.fsum(finite) / len(finite)
    return Statistics(
        mean, math.sqrt(math.fsum((finite - mean) ** 2) / len(finite)),
        finite.min(), finite.max(), math.sqrt(math.fsum(finite * finite)),
        nan, len(wide) - len(finite) - nan, int((wide == 0).sum()),
    )


def agree(found: Statistics | None, wanted: Statistics) -> bool:
    assert found is not None
    close = math.isclose
    return (
        found[2:4] == wanted[2:4] and found[5:] == wanted[5:]
        and close(found.norm, wanted.norm, rel_tol=1e-12)
        and close(found.std, wanted.std, rel_tol=1e-12)
        # A mean of what cancels out is as good as the values are large.
        and close(found.mean, wanted.mean, rel_tol=1e-12, abs_tol=1e-13 * wanted.std)
    )


def sample(name: str, size: int = SIZE) -> Any:
    found = numpy.dtype(getattr(ml_dtypes, name, name))
    noise = numpy.random.default_rng(9).bytes(size * found.itemsize)
    if found.kind in 'iub':
        array = numpy.frombuffer(noise, found if found.kind != 'b' else 'u1')
        return array & 1 != 0 if found.kind == 'b' else array
    return (3 + 2 * numbered(size, dtype='f8')).astype(found)


@pytest.mark.parametrize('name', WORDS)
def test_statistics_are_those_of_numpy(name: str) -> None:
    array = sample(name)
    assert agree(of(array), expected(array))


@pytest.mark.parametrize('name', WORDS)
def test_they_do_not_depend_on_how_the_bytes_come(name: str) -> None:
    """Objects have chunks of 4 MiB; whatever they have, blocks are the same."""
    array = sample(name)
    block = numbers.BLOCK * array.itemsize
    assert of(array) == of(array) == of(array, chunk=block) == of(array, chunk=1 << 30)


@pytest.mark.parametrize('name', ['int16', 'float32', 'float64', 'float16'])
def test_the_byte_order_does_not_matter(name: str) -> None:
    array = sample(name)
    swapped = array.astype(array.dtype.newbyteorder('>'))
    assert of(swapped, ('endian', 'big')) == of(array)


def test_the_order_of_the_axes_does_not_matter_to_what_is_read() -> None:
    array = numbered(30, 40)
    turned = Entry('w', 'F32', (30, 40), of_bytes(b''), (('order', 'F'),))
    found = statistics.compute(turned, [array.T.tobytes()])
    assert agree(found, expected(array))


def test_what_is_no_number_is_counted_and_left_out() -> None:
    array = numbered(SIZE)
    array[::1000], array[5], array[6:9] = math.nan, math.inf, -math.inf
    array[9], array[10], array[-1] = 0.0, -0.0, 1e-45
    found = of(array)
    assert found and agree(found, expected(array))
    assert (found.nan, found.inf, found.zeros) == (len(array[::1000]), 4, 2)


@pytest.mark.parametrize('name', [
    'bfloat16', 'float16', 'float8_e4m3fn', 'float8_e5m2', 'float8_e4m3fnuz',
])
def test_every_pattern_of_bits_counts(name: str) -> None:
    found = numpy.dtype(getattr(ml_dtypes, name, name))
    count = 1 << (8 * found.itemsize)
    array = numpy.arange(count, dtype=f'u{found.itemsize}').view(found)
    assert agree(of(array), expected(array))


def test_nothing_has_no_statistics_and_no_number_has_none_either() -> None:
    assert of(numpy.zeros((0, 3), 'f4')) is None
    found = of(numpy.array([math.nan, math.inf], 'f4'))
    assert found and found[5:] == (1, 1, 0)
    assert all(map(math.isnan, found[:5]))


def test_values_at_the_edge_of_float64_overflow_quietly() -> None:
    found = of(numpy.array([1.7e308, -1.7e308]))
    assert found and found.norm == math.inf
    assert (found.min, found.max) == (-1.7e308, 1.7e308)


@PROPERTY
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200))
def test_a_few_values_have_exact_enough_statistics(values: list[float]) -> None:
    array = numpy.array(values, 'f4')
    found, wanted = of(array), expected(array)
    size = max(map(abs, values))
    assert found is not None
    for one, other in zip(found[:5], wanted[:5]):
        assert abs(one - other) <= 1e-12 * size


@pytest.mark.parametrize('word', ['C64', 'C128', 'F4', 'F6_E2M3', 'BYTES', '|S3'])
def test_what_is_no_real_number_has_none(word: str, vault: Vault) -> None:
    entry = Entry('w', word, (24,), vault.put(bytes(384)))
    assert not statistics.is_numeric(entry)
    cache = Cache(vault.file.with_name('cache'))
    assert statistics.of_all([entry], vault.store, cache).get('w') is None


@pytest.mark.parametrize('word', [w for w in dtypes.SAFETENSORS if w[:2] not in (
    'F4', 'F6', 'C6')])
def test_what_is_a_real_number_has_some(word: str) -> None:
    assert statistics.is_numeric(Entry('w', word, (1,), of_bytes(b'')))


@pytest.mark.parametrize('method', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_compressed_array_has_those_of_its_values(vault: Vault, method: int) -> None:
    array = 2 + numbered(300, 1000)
    manifest = vault.around(npz(method, w=array, text=numpy.array(['a'])))
    entries = list(manifest.tensors.values())
    found = statistics.of_all(entries, vault.store, Cache(vault.file.with_name('c')))
    assert agree(found['w'], expected(array))
    assert found.get('text') is None


def test_what_is_remembered_is_what_was_computed(vault: Vault) -> None:
    arrays = {'a': numbered(SIZE), 'b': numpy.array([math.nan, 1, math.inf], 'f4')}
    entries = [vault.entry(name, 'F32', array) for name, array in arrays.items()]
    path = vault.file.with_name('cache')
    first = statistics.of_all(entries, vault.store, Cache(path))
    for entry in entries:
        vault.store.path(entry.oid).unlink()
    assert statistics.of_all(entries, vault.store, Cache(path)) == first
    renamed = [entry._replace(name=f'x.{entry.name}') for entry in entries]
    again = statistics.of_all(renamed, vault.store, Cache(path))
    assert list(again.values()) == list(first.values())


def test_what_cannot_be_read_has_none_and_the_others_have_theirs(vault: Vault) -> None:
    gone, bad, good = (
        vault.entry(name, 'F32', numbered(5, seed=i))
        for i, name in enumerate(('gone', 'bad', 'good'))
    )
    vault.store.path(gone.oid).unlink()
    path = vault.store.path(bad.oid)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    cache = Cache(vault.file.with_name('cache'))
    found = statistics.of_all([gone, bad, good], vault.store, cache)
    assert found['gone'] is found['bad'] is None
    assert agree(found['good'], expected(numbered(5, seed=2)))


def test_one_object_read_in_two_ways_has_two_statistics(vault: Vault) -> None:
    entries = [
        vault.entry('little', 'F32', numpy.array([1.0], '<f4')),
        vault.entry('big', 'F32', numpy.array([1.0], '<f4'), ('endian', 'big')),
        vault.entry('int', 'I32', numpy.array([1.0], '<f4')),
    ]
    cache = Cache(vault.file.with_name('cache'))
    for _ in range(2):
        found = statistics.of_all(entries, vault.store, cache)
        assert len({value and value.mean for value in found.values()}) == 3


def test_many_large_tensors_are_read_in_parallel_and_stay_in_order(
    vault: Vault,
) -> None:
    entries = [
        vault.entry(str(i), 'F32', numpy.full(600_000, i, 'f4')) for i in range(6)
    ]
    cache = Cache(vault.file.with_name('cache'))
    found = statistics.of_all(entries, vault.store, cache)
    assert [value and value.mean for value in found.values()] == [0, 1, 2, 3, 4, 5]


def test_views_of_one_storage_have_statistics_of_their_own(vault: Vault) -> None:
    storage = numpy.arange(12, dtype='f4')
    nbytes = ('bytes', '48')
    whole = vault.entry('w', 'F32', storage)
    views = [
        whole,
        whole._replace(name='v', shape=(2, 2), extra=(('start', '2'), nbytes)),
        whole._replace(name='t', shape=(2, 2), extra=(
            ('start', '2'), ('strides', '1,2'), nbytes)),
        whole._replace(name='u', shape=(2, 3), extra=(('start', '2'), nbytes)),
    ]
    wanted = {'w': 5.5, 'v': 3.5, 't': 3.5, 'u': 4.5}
    for _ in range(2):      # computed, then remembered
        cache = Cache(vault.file.with_name('cache'))
        found = statistics.of_all(views, vault.store, cache)
        assert {name: each.mean for name, each in found.items() if each} == wanted
