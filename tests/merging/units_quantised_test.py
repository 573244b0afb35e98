"""Codes and scales are one unit; what absmax made is merged as the values it means."""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest

from git_model_driver.core.model import Entry
from git_model_driver.core.oid import of_bytes
from git_model_driver.git.operation import APPLY
from git_model_driver.merging.units import quantised
from git_model_driver.merging.units.base import Unsettled
from tests.testing.models import Vault
from tests.testing.units import Bench

F8, F8_E5M2 = ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2
BF16 = ml_dtypes.bfloat16
Arrays = Mapping[str, Any]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def normal(*shape: int, seed: int) -> Any:
    return numpy.random.default_rng(seed).standard_normal(shape).astype('f4')


class Scheme:
    """One way to quantise, written down a second time."""

    def __init__(self, name: str, dtype: Any, largest: float, scales: str,
                 block: tuple[int, int], shape: tuple[int, ...],
                 scale_dtype: Any = 'f4') -> None:
        self.name, self.dtype, self.largest = name, numpy.dtype(dtype), largest
        self.scales, self.block, self.shape = scales, block, shape
        self.scale_dtype = scale_dtype

    def cut(self, values: Any) -> Any:
        """(block row, block column, slice of the values)"""
        rows, columns = (b or n for b, n in zip(self.block, values.shape))
        for i in range(0, values.shape[0], rows):
            for j in range(0, values.shape[1], columns):
                yield i // rows, j // columns, numpy.s_[i:i + rows, j:j + columns]

    def quantise(self, values: Any) -> dict[str, Any]:
        scales: dict[tuple[int, int], Any] = {}
        codes = numpy.zeros(values.shape, self.dtype)
        divisor = numpy.float32(self.largest if self.scales == 'SCB' else 1)
        for i, j, part in self.cut(values):
            scale = abs(values[part]).max() / numpy.float32(self.largest)
            stored = numpy.array(scale * divisor).astype(self.scale_dtype)
            scales[i, j] = stored
            wide = values[part] / (stored.astype('f4') / divisor)
            if self.dtype.kind == 'i':
                codes[part] = numpy.clip(numpy.rint(wide), -128, 127)
            else:
                codes[part] = numpy.clip(wide, -self.largest, self.largest)
        array = numpy.array(list(scales.values())).astype(self.scale_dtype)
        return {'w.weight': codes, f'w.{self.scales}': array.reshape(self.shape)}

    def values(self, arrays: Arrays) -> Any:
        codes, scales = arrays['w.weight'], arrays[f'w.{self.scales}'].astype('f4')
        if self.scales == 'SCB':
            scales = scales / numpy.float32(127)
        found = numpy.zeros(codes.shape, 'f4')
        for scale, (_, _, part) in zip(scales.reshape(-1), self.cut(codes)):
            found[part] = codes[part].astype('f4') * scale
        return found


SHAPE = (200, 130)
SCHEMES = [
    Scheme('int8 tensor', 'i1', 127, 'weight_scale', (0, 0), ()),
    Scheme('int8 tensor of one', 'i1', 127, 'scale', (0, 0), (1,)),
    Scheme('int8 row', 'i1', 127, 'weight_scale', (1, 0), (200, 1)),
    Scheme('int8 row bf16', 'i1', 127, 'weight_scale', (1, 0), (200, 1), BF16),
    Scheme('int8 row flat', 'i1', 127, 'weight_scale', (1, 0), (200,), 'f2'),
    Scheme('compressed-tensors', 'i1', 127.5, 'weight_scale', (1, 0), (200, 1)),
    Scheme('int8 group', 'i1', 127, 'weight_scale', (1, 26), (200, 5)),
    Scheme('bitsandbytes', 'i1', 127, 'SCB', (1, 0), (200,)),
    Scheme('fp8 tensor', F8, 448, 'weight_scale', (0, 0), ()),
    Scheme('fp8 row', F8, 448, 'weight_scale', (1, 0), (200, 1), BF16),
    Scheme('fp8 e5m2', F8_E5M2, 57344, 'weight_scale', (1, 0), (200, 1)),
    Scheme('fp8 blocks', F8, 448, 'weight_scale_inv', (128, 128), (2, 2)),
]


@pytest.mark.parametrize('scheme', SCHEMES, ids=lambda scheme: scheme.name)
@pytest.mark.parametrize('rules', [{}, {'weight': '0.3'}])
def test_values_are_merged_and_quantised_again(
    scheme: Scheme, rules: dict[str, str], vault: Vault,
) -> None:
    sides = [scheme.quantise(normal(*SHAPE, seed=seed)) for seed in range(3)]
    found = Bench(vault, quantised.settle, **rules)(*sides)
    share = numpy.float32(rules.get('weight', 0.5))
    rest = numpy.float32(float(1 - Fraction(rules.get('weight', '0.5'))))
    merged = scheme.values(sides[1]) * rest + scheme.values(sides[2]) * share
    wanted = scheme.quantise(merged)
    assert {n: (a.dtype, a.shape, a.tobytes()) for n, a in found.items()} == {
        n: (a.dtype, a.shape, a.tobytes()) for n, a in wanted.items()
    }


@pytest.mark.parametrize('scheme', SCHEMES, ids=lambda scheme: scheme.name)
def test_a_carried_change_is_off_by_no_more_than_half_a_code(
    scheme: Scheme, vault: Vault,
) -> None:
    base, ours, theirs = (
        scheme.quantise(normal(*SHAPE, seed=seed)) for seed in range(3)
    )
    found = Bench(vault, quantised.settle, APPLY)(base, ours, theirs)
    wanted = (scheme.values(ours) + scheme.values(theirs) - scheme.values(base))
    for _, _, part in scheme.cut(wanted):
        # A code's step, or for float8 its last bit at the largest magnitude.
        step = {127: 1 / 127, 127.5: 1.01 / 127, 448: 1 / 14, 57344: 1 / 7}
        bound = abs(wanted[part]).max() * step[scheme.largest] * 0.51
        assert abs(scheme.values(found) - wanted)[part].max() <= bound


def test_rows_of_experts_are_quantised_too(vault: Vault) -> None:
    values = [normal(3, 8, 16, seed=seed) for seed in range(3)]
    sides = []
    for array in values:
        scale = abs(array).max(2, keepdims=True) / numpy.float32(127)
        sides.append({'w.weight': numpy.rint(array / scale).astype('i1'),
                      'w.weight_scale': scale})
    found = Bench(vault, quantised.settle)(*sides)
    wanted = (values[1] + values[2]) / 2
    restored = found['w.weight'] * found['w.weight_scale']
    assert found['w.weight_scale'].shape == (3, 8, 1)
    assert abs(restored - wanted).max() <= 0.02


def test_what_is_zero_stays_zero(vault: Vault) -> None:
    scheme = SCHEMES[2]
    values = [normal(*SHAPE, seed=seed) for seed in range(3)]
    for array in values:
        array[7] = 0
    sides = [scheme.quantise(numpy.where(v == 0, 1, v)) for v in values]
    for side in sides:
        side['w.weight'][7] = 0
    found = Bench(vault, quantised.settle)(*sides)
    assert not found['w.weight'][7].any()
    assert found['w.weight_scale'][7] == 1


def test_other_parts_are_from_who_changed_them(vault: Vault) -> None:
    scheme = SCHEMES[8]
    base, ours, theirs = (
        {**scheme.quantise(normal(*SHAPE, seed=seed)),
         'w.input_scale': numpy.array(activation, 'f4'),
         'w.weight_zero_point': numpy.zeros(1, 'i1')}
        for seed, activation in ((0, 0.5), (1, 0.25), (2, 0.125))
    )
    bench = Bench(vault, quantised.settle)
    assert bench(base, ours, theirs)['w.input_scale'] == 0.25
    ours['w.input_scale'] = base['w.input_scale']
    assert bench(base, ours, theirs)['w.input_scale'] == 0.125


def entries(**of: str) -> dict[str, Entry]:
    return {
        name.replace('__', '.'): Entry(name.replace('__', '.'), dtype, (4, 4),
                                       of_bytes(b''))
        for name, dtype in of.items()
    }


@pytest.mark.parametrize(('found', 'wanted'), [
    (entries(w__weight_scale='F32', w__weight='I8', w__bias='F32'),
     [('w.weight', 'w.weight_scale')]),
    (entries(weight='F8_E4M3', weight_scale_inv='F32', input_scale='F32'),
     [('weight', 'weight_scale_inv', 'input_scale')]),
    (entries(a__weight='I8', a__SCB='F32', b__weight='I8', b__weight_format='U8'),
     [('a.weight', 'a.SCB')]),
    (entries(w__qweight='I32', w__qzeros='I32', w__scales='F16', w__g_idx='I32'),
     [('w.qweight', 'w.qzeros', 'w.scales', 'w.g_idx')]),
    (entries(w__weight='U8', w__weight__absmax='U8', w__weight__quant_map='F32',
             w__weight__nested_absmax='F32', w__weight__nested_quant_map='F32',
             w__weight__quant_state__bitsandbytes__nf4='U8'),
     [('w.weight', 'w.weight.absmax', 'w.weight.quant_map', 'w.weight.nested_absmax',
       'w.weight.nested_quant_map', 'w.weight.quant_state.bitsandbytes__nf4')]),
    (entries(w__weight_packed='I32', w__weight_scale='BF16', w__weight_shape='I64'),
     [('w.weight_packed', 'w.weight_scale', 'w.weight_shape')]),
    (entries(norm__weight='F32', norm__scale='F32', v__weight='F8_E4M3'), []),
])
def test_groups_are_known_by_names_and_dtypes(
    found: dict[str, Entry], wanted: list[tuple[str, ...]],
) -> None:
    renamed = [tuple(n.replace('.nf4', '__nf4') for n in names)
               for names in quantised.find(found)]
    assert renamed == wanted


I8 = SCHEMES[2]
GOOD = [I8.quantise(normal(*SHAPE, seed=seed)) for seed in range(3)]


def changed(side: int, **arrays: Any) -> list[dict[str, Any]]:
    sides = [dict(good) for good in GOOD]
    for name, array in arrays.items():
        sides[side][f'w.{name}'] = array
    return sides


def everywhere(**arrays: Any) -> list[dict[str, Any]]:
    return [{f'w.{name}': array + array.dtype.type(i) for name, array in arrays.items()}
            for i in range(3)]


ROWS = (200, 1)
NO_WAY = ('it is quantised by a scheme ({}) whose codes cannot be merged: '
          'take one side')
NOT_FINITE = numpy.full(ROWS, numpy.inf, 'f4')


@pytest.mark.parametrize(('sides', 'reason'), [
    (everywhere(qweight=numpy.zeros((4, 4), 'i4'), scales=numpy.ones(4, 'f2')),
     NO_WAY.format('GPTQ or AWQ')),
    (everywhere(weight=numpy.zeros(8, 'u1'), **{'weight.absmax': numpy.ones(4, 'f4')}),
     NO_WAY.format('bitsandbytes, blocks of 4 or 8 bits')),
    (everywhere(weight_packed=numpy.zeros(8, 'i4'), weight_scale=numpy.ones(4, 'f4')),
     NO_WAY.format('packed codes')),
    (everywhere(weight=numpy.zeros((8, 4), 'u1'), weight_scale=numpy.ones(8, 'f4')),
     NO_WAY.format('codes of U8')),
    (everywhere(weight=numpy.zeros((8, 4), 'i1'), weight_scale=numpy.ones(8, 'u1')),
     NO_WAY.format('scales of U8')),
    (everywhere(weight=numpy.zeros((8, 4), 'i1'), weight_scale=numpy.ones(5, 'f4')),
     NO_WAY.format('scales of an unknown shape')),
    (everywhere(weight=numpy.zeros((8, 4), 'i1'), weight_scale=numpy.ones(8, 'f4'),
                SCB=numpy.ones(8, 'f4')), NO_WAY.format('not known')),
    (everywhere(weight=numpy.zeros((8, 4), 'i1'), weight_scale=numpy.ones(8, 'f4'),
                weight_zero_point=numpy.zeros(8, 'i1')),
     NO_WAY.format('with zero points')),
    (changed(2, weight=GOOD[2]['w.weight'] // 2),
     NO_WAY.format('scales that are not those of the largest values')),
    (changed(1, weight_scale=GOOD[1]['w.weight_scale'][:, 0]),
     'it is quantised in different ways'),
    (changed(0, weight=GOOD[1]['w.weight'].astype(F8)),
     'it is quantised in different ways'),
    (changed(2, weight_scale=NOT_FINITE),
     'both sides changed it, and it holds NaN or infinity'),
])
def test_what_cannot_be_merged(sides: Any, reason: str, vault: Vault) -> None:
    with pytest.raises(Unsettled) as caught:
        Bench(vault, quantised.settle)(*sides)
    assert str(caught.value) == reason


def test_other_parts_that_both_changed_are_a_conflict(vault: Vault) -> None:
    sides = [
        {**good, 'w.weight_shape': numpy.array([i, 130], 'i8')}
        for i, good in enumerate(GOOD)
    ]
    with pytest.raises(Unsettled, match=r'both sides changed w\.weight_shape'):
        Bench(vault, quantised.settle)(*sides)
    del sides[1]['w.weight_shape']
    with pytest.raises(Unsettled, match='it is quantised in different ways'):
        Bench(vault, quantised.settle)(sides[0], sides[2], sides[1])


@pytest.mark.parametrize(('scales', 'last'), [
    ((50000, 50000, 50000), (-1, 1, 1)),    # three times as much: 150,000
    ((2 ** -23, 2 ** -24, 2 ** -24), (5, 5, 6)),    # but 1/127 of the least is left
])
def test_a_scale_that_its_dtype_cannot_hold(
    scales: tuple[float, ...], last: tuple[int, ...], vault: Vault,
) -> None:
    base, ours, theirs = (
        {'w.weight': numpy.array([[127 * (n // abs(n)), n]], 'i1'),
         'w.weight_scale': numpy.array([scale], 'f2')}
        for scale, n in zip(scales, last)
    )
    bench = Bench(vault, quantised.settle, APPLY)
    with pytest.raises(Unsettled, match='its scales do not fit into F16'):
        bench(base, ours, theirs)
