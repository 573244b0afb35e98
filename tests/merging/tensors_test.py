"""The arithmetic of a merge: exact where it can be, rounded once where not."""
from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
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
from git_model_driver.merging.methods import METHODS
from git_model_driver.merging.rules import Choice
from git_model_driver.merging.units.base import Unsettled
from tests.testing import deciding
from tests.testing.models import Vault
from tests.testing.models import numbered
from tests.testing.properties import PROPERTY

WORDS = sorted(dtypes.FLOATS)
REAL = [word for word in WORDS if not word.startswith('C')]
SMALL = [word for word in REAL if dtypes.BITS[word] == 8]
NO_FLOATS = [word for word in dtypes.SAFETENSORS if word not in dtypes.FLOATS]
CHUNK_OF_F32 = 1 << 20
Extra = tuple[tuple[str, str], ...]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def choice(method: str, **parameters: str) -> Choice:
    exact = {key.replace('_', '-'): Fraction(v) for key, v in parameters.items()}
    return Choice(method, exact, True, '')


LINEAR, APPLY = choice('linear'), choice('apply')


def array(word: str, values: Any) -> Any:
    with numpy.errstate(all='ignore'):
        return numpy.asarray(values).astype(dtypes.as_numpy(word))


def bits(found: Any) -> Any:
    width = min(found.dtype.itemsize, 8)
    return numpy.ascontiguousarray(found).reshape(-1).view(f'u{width}')


def same(one: Any, other: Any) -> bool:
    return bool((bits(one) == bits(other)).all()) and one.shape == other.shape


def merge(vault: Vault, how: Choice, word: str, *arrays: Any) -> Any:
    """base (or None), ours and theirs merged as they would be in a repository."""
    entries = [
        None if side is None else vault.entry('w', word, side) for side in arrays
    ]
    merged = merge_entries(vault, how, *entries)
    data = vault.store.read(merged.oid)
    return numpy.frombuffer(data, arrays[1].dtype).reshape(arrays[1].shape)


def merge_entries(vault: Vault, how: Choice, *entries: Entry | None) -> Entry:
    base, ours, theirs = entries
    assert ours and theirs
    return deciding.merge(vault.store, how, base, [ours, theirs])


def sides(word: str, size: int = 1000) -> tuple[Any, Any, Any]:
    base, ours, theirs = (
        array(word, numbered(size, seed=seed, dtype='f8')) for seed in range(3)
    )
    return base, ours, theirs


@pytest.mark.parametrize('word', WORDS)
def test_equal_weights_give_the_mean_rounded_once(word: str, vault: Vault) -> None:
    base, ours, theirs = sides(word)
    wide = [numbers.widened(side, word) for side in (ours, theirs)]
    half = wide[0].real.dtype.type(0.5)
    mean = wide[0] * half + wide[1] * half
    assert same(merge(vault, LINEAR, word, base, ours, theirs),
                mean.astype(ours.dtype))
    assert same(merge(vault, LINEAR, word, None, ours, theirs), mean.astype(ours.dtype))


@pytest.mark.parametrize('word', WORDS)
@pytest.mark.parametrize('how', [
    choice('linear', weight='0.3'), choice('linear', weight='0'),
    choice('linear', ours_weight='3', theirs_weight='-1'),
    choice('linear', theirs_weight='2'),
], ids=lambda how: str(dict(how.parameters)))
def test_weights_are_normalised_exactly_and_rounded_once(
    word: str, how: Choice, vault: Vault,
) -> None:
    base, ours, theirs = sides(word)
    share = how.parameters.get('weight')
    if share is None:
        mine = how.parameters.get('ours-weight', Fraction(1))
        other = how.parameters.get('theirs-weight', Fraction(1))
        share = other / (mine + other)
    wide = [numbers.widened(side, word) for side in (ours, theirs)]
    real = wide[0].real.dtype.type
    wanted = wide[0] * real(float(1 - share)) + wide[1] * real(float(share))
    assert same(merge(vault, how, word, base, ours, theirs), wanted.astype(ours.dtype))


@pytest.mark.parametrize('word', WORDS)
def test_a_change_is_carried_over_and_rounded_once(word: str, vault: Vault) -> None:
    base, ours, theirs = sides(word)
    b, o, t = (numbers.widened(side, word) for side in (base, ours, theirs))
    assert same(merge(vault, APPLY, word, base, ours, theirs),
                (o + (t - b)).astype(ours.dtype))


@pytest.mark.parametrize('word', SMALL)
def test_the_mean_of_any_two_bytes_is_the_nearest_there_is(
    word: str, vault: Vault,
) -> None:
    """All pairs of eight-bit floats, against the definition of rounding."""
    every = numpy.arange(256, dtype='u1').view(dtypes.as_numpy(word))
    with numpy.errstate(invalid='ignore'):
        exact = every.astype('f8')
    finite = every[numpy.isfinite(exact)]
    ours, theirs = numpy.repeat(finite, len(finite)), numpy.tile(finite, len(finite))
    merged = merge(vault, LINEAR, word, None, ours, theirs)
    mean = (ours.astype('f8') + theirs.astype('f8')) / 2    # exact in float64
    distance = abs(merged.astype('f8') - mean)
    levels = numpy.unique(finite.astype('f8'))
    above = numpy.searchsorted(levels, mean).clip(1, len(levels) - 1)
    gaps = numpy.stack([abs(levels[above] - mean), abs(levels[above - 1] - mean)])
    assert (distance == gaps.min(axis=0)).all()
    tie = gaps[0] == gaps[1]
    assert tie.any() and (bits(merged)[tie] % 2 == 0).all()


def rounded_bfloat16(values: Any) -> Any:
    """Round to nearest, ties to even, on the bits of float32."""
    u = values.view('u4').astype('u8')
    return ((u + 0x7fff + ((u >> 16) & 1)) >> 16).astype('u2')


def test_bfloat16_rounds_to_even_whatever_library_does_it(vault: Vault) -> None:
    chance = numpy.random.default_rng(4)
    noise = chance.integers(0, 1 << 16, (2, 200_000), 'u2')
    noise = noise[:, ((noise & 0x7f80) != 0x7f80).all(axis=0)]
    ours, theirs = noise.view(ml_dtypes.bfloat16)
    o, t = ((side.astype('u4') << 16).view('f4') for side in noise)
    mean = o * numpy.float32(0.5) + t * numpy.float32(0.5)
    merged = merge(vault, LINEAR, 'BF16', None, ours, theirs)
    differ = noise[0] != noise[1]
    assert (bits(merged) == rounded_bfloat16(mean))[differ].all()
    assert same(merged[~differ], ours[~differ])


def odd(word: str) -> Any:
    """Values that arithmetic would spoil: NaN with payloads, -0, subnormals."""
    found = dtypes.as_numpy(word)
    if found.itemsize == 1:
        return numpy.arange(256, dtype='u1').view(found)
    half = found.itemsize // (2 if found.kind == 'c' else 1)
    some = numpy.random.default_rng(1).integers(0, 1 << 62, 4096).astype(f'u{half}')
    tiny = numpy.arange(1, 9, dtype=f'u{half}')
    top = (1 << (8 * half - 1)) + tiny - 1
    words = numpy.concatenate([some, ~some, tiny, top.astype(f'u{half}'), ~tiny])
    return words.view(found)


@pytest.mark.parametrize('how', [LINEAR, APPLY], ids=lambda how: how.method)
@pytest.mark.parametrize('word', WORDS)
def test_what_is_equal_everywhere_stays_bit_for_bit(
    word: str, how: Choice, vault: Vault,
) -> None:
    values = odd(word)
    more = [array(word, [1, 2, 3]), array(word, [2, 2, 3]), array(word, [1, 2, 1])]
    base, ours, theirs = (numpy.concatenate([values, tail]) for tail in more)
    merged = merge(vault, how, word, base, ours, theirs)
    assert same(merged[:-3], values)


@pytest.mark.parametrize('word', WORDS)
def test_what_one_side_changed_is_that_sides_bit_for_bit(
    word: str, vault: Vault,
) -> None:
    values = odd(word)
    values = values[numpy.isfinite(numbers.widened(values, word))]
    still = numpy.roll(values, 7)
    base = numpy.concatenate([still, still])
    ours = numpy.concatenate([values, still])
    theirs = numpy.concatenate([still, values])
    merged = merge(vault, APPLY, word, base, ours, theirs)
    assert same(merged, numpy.concatenate([values, values]))


@pytest.mark.parametrize('word', REAL)
def test_equal_weights_know_no_side(word: str, vault: Vault) -> None:
    base, ours, theirs = sides(word)
    assert same(merge(vault, LINEAR, word, base, ours, theirs),
                merge(vault, LINEAR, word, base, theirs, ours))


@pytest.mark.parametrize('word', ['F32', 'F64', 'F16', 'BF16'])
def test_a_revert_takes_back_what_was_applied(word: str, vault: Vault) -> None:
    base, ours, theirs = sides(word)
    applied = merge(vault, APPLY, word, base, ours, theirs)
    back = merge(vault, APPLY, word, theirs, applied, base)
    step = {'F32': 2**-23, 'F64': 2**-52, 'F16': 2**-10, 'BF16': 2**-7}[word]
    o, a, b = (side.astype('f8') for side in (ours, applied, back))
    largest = numpy.maximum(abs(o), abs(a))
    if word in ('F32', 'F64'):      # the difference is rounded as well
        largest = numpy.maximum(largest, abs(theirs.astype('f8') - base))
    assert (abs(b - o) <= largest * step * 1.01 + 1e-7).all()


@PROPERTY
@given(st.lists(st.tuples(*[st.floats(width=32, allow_nan=False,
                                      allow_infinity=False)] * 3), min_size=1))
def test_any_numbers_are_merged_or_said_to_overflow(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float, float]],
) -> None:
    vault = Vault(tmp_path_factory.mktemp('any'))
    base, ours, theirs = (numpy.array(side, 'f4') for side in zip(*rows))
    with numpy.errstate(all='ignore'):
        wanted = ours + (theirs - base)
    wanted = numpy.where(bits(ours) == bits(base), theirs, wanted)
    wanted = numpy.where(bits(theirs) == bits(base), ours, wanted)
    if numpy.isfinite(wanted).all():
        assert same(merge(vault, APPLY, 'F32', base, ours, theirs), wanted)
    else:
        with pytest.raises(Unsettled, match='the result overflows F32'):
            merge(vault, APPLY, 'F32', base, ours, theirs)


@pytest.mark.parametrize('size', [
    0, 1, CHUNK_OF_F32 - 1, CHUNK_OF_F32, CHUNK_OF_F32 + 1, 2 * CHUNK_OF_F32 + 5,
])
@pytest.mark.parametrize('how', [LINEAR, APPLY], ids=lambda how: how.method)
def test_long_tensors_are_merged_as_if_in_one_piece(
    size: int, how: Choice, vault: Vault,
) -> None:
    base, ours, theirs = (
        numpy.arange(size, dtype='f4') * numpy.float32(factor) + 1
        for factor in (1, 1.1, 0.7)
    )
    half = numpy.float32(0.5)
    wanted = ours * half + theirs * half if how is LINEAR else ours + (theirs - base)
    assert same(merge(vault, how, 'F32', base, ours, theirs), wanted)


def test_a_conflict_in_the_last_chunk_is_one_and_leaves_nothing(vault: Vault) -> None:
    ours, theirs = numpy.zeros((2, CHUNK_OF_F32 + 1), 'f4')
    ours[-1], theirs[0] = math.nan, 1
    entries = [vault.entry('w', 'F32', side) for side in (ours, theirs)]
    before = list(vault.store)
    with pytest.raises(Unsettled, match='NaN or infinity'):
        merge_entries(vault, LINEAR, None, *entries)
    assert list(vault.store) == before
    assert os.listdir(vault.store.root / 'tmp') == []


@pytest.mark.parametrize('how', [LINEAR, APPLY], ids=lambda how: how.method)
@pytest.mark.parametrize('word', ['F16', 'F32', 'F64', 'BF16', 'F8_E5M2', 'C64'])
@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('side', [0, 1])
def test_nan_and_infinity_that_are_new_are_a_conflict(
    how: Choice, word: str, value: float, side: int, vault: Vault,
) -> None:
    base = array(word, [1, 1, 1])
    changed = [array(word, [2, 1, 1]), array(word, [1, 2, 1])]
    changed[side] = array(word, [2, 3, value])
    with pytest.raises(Unsettled, match='both sides changed it, and it holds NaN or'):
        merge(vault, how, word, base, *changed)


@pytest.mark.parametrize('word', SMALL)
def test_eight_bit_floats_saturate(word: str, vault: Vault) -> None:
    limit = float(ml_dtypes.finfo(dtypes.as_numpy(word)).max)
    base, high = array(word, [0, 1]), array(word, [limit, 2])
    other = array(word, [limit * 0.75, 3])
    merged = merge(vault, APPLY, word, base, high, other)
    assert merged.astype('f8').tolist() == [limit, 4]


@pytest.mark.parametrize('word', ['F16', 'BF16', 'F32', 'F64', 'C64'])
def test_a_result_beyond_the_largest_number_is_a_conflict(
    word: str, vault: Vault,
) -> None:
    limit = ml_dtypes.finfo(dtypes.as_numpy(word)).max
    base, high = array(word, [0, 1]), array(word, [float(limit), 2])
    other = array(word, [float(limit) * 0.75, 3])
    with pytest.raises(Unsettled, match=f'the result overflows {word}'):
        merge(vault, APPLY, word, base, high, other)
    assert numpy.isfinite(
        numbers.widened(merge(vault, LINEAR, word, base, high, other), word),
    ).all()


@pytest.mark.parametrize('word', NO_FLOATS)
def test_what_has_no_mean_is_a_conflict(word: str, vault: Vault) -> None:
    entries = [
        Entry('w', word, (8,), vault.put(bytes([i]) * (dtypes.BITS[word])))
        for i in range(3)
    ]
    for how in (LINEAR, APPLY):
        with pytest.raises(Unsettled) as e:
            merge_entries(vault, how, *entries)
        assert str(e.value) == f'both sides changed it, and {word} is not averaged'


def entry(vault: Vault, word: str, shape: tuple[int, ...], *extra: tuple[str, str],
          ) -> Entry:
    return vault.entry('w', word, array(word, numbered(*shape)), *extra)


@pytest.mark.parametrize(('base', 'ours', 'theirs', 'reason'), [
    (('F32', (2,)), ('F16', (2,)), ('F32', (2,)),
     'dtypes differ: ours F16, theirs F32'),
    (('F32', (2,)), ('F32', (3,)), ('F32', (2,)), 'shapes differ: ours 3, theirs 2'),
    (('F32', (2,)), ('F32', (2, 2)), ('F32', ()),
     'shapes differ: ours 2x2, theirs scalar'),
    (('F32', (2, 2)), ('F32', (2, 2)), ('F32', (2, 2), ('order', 'F')),
     'its elements lie in different orders'),
])
def test_what_does_not_fit_together_is_told(
    base: Any, ours: Any, theirs: Any, reason: str, vault: Vault,
) -> None:
    entries = [entry(vault, *side) for side in (base, ours, theirs)]
    with pytest.raises(Unsettled) as e:
        merge_entries(vault, LINEAR, *entries)
    assert str(e.value) == reason


def test_a_change_needs_a_base(vault: Vault) -> None:
    ours = entry(vault, 'F32', (2,))
    with pytest.raises(Unsettled, match="on both sides, and 'apply' needs a base"):
        merge_entries(vault, APPLY, None, ours, ours)


def test_the_byte_order_of_a_side_does_not_matter(vault: Vault) -> None:
    base, ours, theirs = sides('F32', 9)
    wanted = merge(vault, APPLY, 'F32', base, ours, theirs)
    big = ('endian', 'big')
    entries = [
        vault.entry('w', 'F32', base), vault.entry('w', 'F32', ours.astype('>f4'), big),
        vault.entry('w', 'F32', theirs),
    ]
    merged = merge_entries(vault, APPLY, *entries)
    assert merged.extra == (big,)
    assert same(numpy.frombuffer(vault.store.read(merged.oid), '>f4').astype('f4'),
                wanted)


def test_every_method_is_what_it_says() -> None:
    for name, method in METHODS.items():
        assert method.NAME == name
        assert (method.__doc__ or '').startswith(f'{name}: ')


_SCRIPT = '''
import hashlib, json, sys
import numpy
from git_model_driver.core import dtype as dtypes, numbers
from git_model_driver.core.manifest import Entry
from git_model_driver.core.oid import of_bytes
from git_model_driver.filters import statistics
from git_model_driver.merging.methods import METHODS
from tests.testing import operands
noise = b''.join(hashlib.shake_128(bytes([i])).digest(1 << 16) for i in range(3))
found = {}
for word in sorted(dtypes.FLOATS):
    # Half the exponents: neither NaN nor infinity, which a merge refuses.
    step = 1 if dtypes.BITS[word] == 8 else 2
    clean = bytes(b if (i + 1) % step else b & 0xbf for i, b in enumerate(noise))
    sides = [numbers.stored(clean[i << 16:(i + 1) << 16], word) for i in range(3)]
    wide = [numbers.widened(side, word) for side in sides]
    for name, method in METHODS.items():
        if word[0] == 'C' and name not in ('linear', 'apply', 'task_arithmetic'):
            continue
        odd = {'t': '0.5', 'density': '0.4', 'select_topk': '0.5', 'epsilon': '0.01'}
        known = {key.replace('-', '_') for key in method.PARAMETERS}
        given = {key: odd[key] for key in known & odd.keys()}
        eighths = (array / array.dtype.type(8) for array in wide)
        base, *others = map(numpy.nan_to_num, eighths)
        known = others if name == 'fisher' else ()
        merged = operands.merge(
            name, base, others, ['2/3', '1/3'], 0, known, **given)
        merged = numbers.rounded(merged, word)
        data = numbers.to_bytes(merged, word)
        found[f'{name} {word}'] = hashlib.sha256(data).hexdigest()
    entry = Entry('w', word, (len(sides[0]),), of_bytes(b''))
    if statistics.is_numeric(entry):
        numbers_ = statistics.compute(entry, [clean[:1 << 16]])
        found[word] = [float(n).hex() for n in numbers_]
json.dump(found, sys.stdout)
'''


def cpu_features() -> Iterator[str]:
    """What numpy chose for this machine beyond its baseline."""
    try:
        from numpy._core import _multiarray_umath as core
    except ImportError:
        from numpy.core import _multiarray_umath as core
    for feature in core.__cpu_dispatch__:
        if core.__cpu_features__.get(feature):
            yield feature


def test_every_kind_of_processor_computes_the_same() -> None:
    features = list(cpu_features())
    found = []
    for disabled in ('', ' '.join(features[len(features) // 2:]), ' '.join(features)):
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', _SCRIPT], capture_output=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, 'NPY_DISABLE_CPU_FEATURES': disabled}, check=True,
        )
        found.append(json.loads(done.stdout))
    assert len(found[0]) >= 2 * len(WORDS)
    assert found[0] == found[1] == found[2]
