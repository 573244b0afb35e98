"""LoRA pairs are merged as products; PEFT's formula is s B A."""
from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest

from git_model_driver.core.model import Entry
from git_model_driver.core.oid import of_bytes
from git_model_driver.git.operation import APPLY
from git_model_driver.merging.units import lora
from git_model_driver.merging.units.base import Unsettled
from tests.testing.models import Vault
from tests.testing.units import Bench

FILE = 'adapter_config.json'
MODULE = 'base_model.model.model.layers.0.self_attn.q_proj'
A, B = f'{MODULE}.lora_A.weight', f'{MODULE}.lora_B.weight'
CONFIG = {'r': 4, 'lora_alpha': 8, 'base_model_name_or_path': 'm',
          'target_modules': ['q_proj', 'v_proj']}
Arrays = Mapping[str, Any]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def normal(*shape: int, seed: int, dtype: Any = 'f4') -> Any:
    return numpy.random.default_rng(seed).standard_normal(shape).astype(dtype)


def pair(seed: int, rank: int = 4, m: int = 30, n: int = 20, dtype: Any = 'f4') -> Any:
    return {A: normal(rank, n, seed=seed, dtype=dtype),
            B: normal(m, rank, seed=seed + 50, dtype=dtype)}


def product(arrays: Arrays, scale: float = 1) -> Any:
    a, b = (next(array for name, array in arrays.items() if mark in name)
            for mark in ('A', 'B'))
    b = b.astype('f8').reshape(len(b), -1)
    return scale * (b @ a.astype('f8').reshape(len(a), -1))


def nearest(matrix: Any, rank: int) -> Any:
    u, s, v = numpy.linalg.svd(matrix, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ v[:rank]


def off(found: Any, wanted: Any) -> float:
    return float(numpy.linalg.norm(found - wanted) / numpy.linalg.norm(wanted))


def shapes(**of: tuple[int, ...]) -> dict[str, Entry]:
    return {
        name.replace('__', '.'): Entry(name.replace('__', '.'), 'F32', s, of_bytes(b''))
        for name, s in of.items()
    }


@pytest.mark.parametrize(('entries', 'wanted'), [
    (shapes(x__lora_A__weight=(4, 9), x__lora_B__weight=(7, 4)),
     [('x.lora_A.weight', 'x.lora_B.weight')]),
    (shapes(x__lora_B__my__weight=(7, 4), x__lora_A__my__weight=(4, 9),
            x__lora_A__other__weight=(4, 9)),
     [('x.lora_A.my.weight', 'x.lora_B.my.weight')]),
    (shapes(x__lora_embedding_A=(4, 9), x__lora_embedding_B=(7, 4)),
     [('x.lora_embedding_A', 'x.lora_embedding_B')]),
    (shapes(x__lora_down__weight=(4, 9, 3, 3), x__lora_up__weight=(7, 4, 1, 1),
            x__alpha=(), y__alpha=()),
     [('x.lora_down.weight', 'x.lora_up.weight', 'x.alpha')]),
    (shapes(q_lora__down__weight=(4, 9), q_lora__up__weight=(7, 4)),
     [('q_lora.down.weight', 'q_lora.up.weight')]),
    (shapes(x__lora_A__weight=(4, 9), x__lora_B__weight=(7, 5)), []),
    (shapes(x__lora_A__weight=(4, 9), x__lora_B__weight=(7, 4, 3, 3)), []),
    (shapes(x__lora_A__weight=(4, 9), y__lora_B__weight=(7, 4)), []),
    (shapes(x__lora_A__weight=(4, 9)), []),
])
def test_pairs_are_known_by_name_and_shape(
    entries: dict[str, Entry], wanted: list[tuple[str, ...]],
) -> None:
    assert [pair.names for pair in lora.find(entries)] == wanted


@pytest.mark.parametrize('config', [None, CONFIG, {**CONFIG, 'use_rslora': True}])
def test_the_mean_of_products_is_cut_back_to_the_rank(
    config: Any, vault: Vault,
) -> None:
    bench = Bench(vault, lora.settle, files={FILE: [config] * 3})
    ours, theirs = pair(1), pair(2)
    found = bench(pair(0), ours, theirs)
    mean = product(ours) / 2 + product(theirs) / 2
    assert {name: array.shape for name, array in found.items()} == {
        A: (4, 20), B: (30, 4),
    }
    assert off(product(found), nearest(mean, 4)) < 3e-7
    error = off(nearest(mean, 4), mean)
    assert bench.notes == [
        f'{MODULE}: product of LoRA factors cut back to rank 4, relative error '
        f'{error:.2%}',
    ]


def test_a_mean_of_that_rank_is_kept_whole(vault: Vault) -> None:
    bench = Bench(vault, lora.settle)
    ours = pair(1)
    theirs = {A: ours[A], B: pair(2)[B]}
    found = bench(pair(0), ours, theirs)
    assert off(product(found), (product(ours) + product(theirs)) / 2) < 2e-7
    assert bench.notes == []


def test_one_adapter_in_two_gauges_is_itself(vault: Vault) -> None:
    ours = pair(1)
    rotation = numpy.linalg.qr(normal(4, 4, seed=9, dtype='f8'))[0]
    theirs = {A: (rotation.T @ ours[A]).astype('f4'),
              B: (ours[B] @ rotation).astype('f4')}
    found = Bench(vault, lora.settle)(pair(0), ours, theirs)
    assert off(product(found), product(ours)) < 3e-7
    by_factors = Bench(vault, lora.settle, lora='factors')
    assert off(product(by_factors(pair(0), ours, theirs)), product(ours)) > 0.1


@pytest.mark.parametrize('way', ['svd', 'concatenate'])
@pytest.mark.parametrize('dtype', ['f4', ml_dtypes.bfloat16])
def test_who_is_ours_is_of_no_matter(way: str, dtype: Any, vault: Vault) -> None:
    ours, theirs = pair(1, dtype=dtype), pair(2, dtype=dtype)
    bench = Bench(vault, lora.settle, lora=way)
    one, other = bench(pair(0), ours, theirs), bench(pair(0), theirs, ours)
    assert {n: a.tobytes() for n, a in one.items()} == {
        n: a.tobytes() for n, a in other.items()
    }
    assert one[A].dtype == dtype


def test_weights_are_those_of_the_rules(vault: Vault) -> None:
    bench = Bench(vault, lora.settle, lora='concatenate', weight='0.3')
    ours, theirs = pair(1), pair(2)
    wanted = 0.7 * product(ours) + 0.3 * product(theirs)
    assert off(product(bench(pair(0), ours, theirs)), wanted) < 1e-7


@pytest.mark.parametrize(('rules', 'factors'), [
    ({}, (-1, 1, 1)),
    ({'apply': 'task_arithmetic', 'weights': '2,3', 'lambda': '0.5'}, (-1.5, 1, 1.5)),
    ({'apply': 'task_arithmetic', 'weights': '1,3', 'normalize': 'true'},
     (0, 0.25, 0.75)),
])
def test_a_change_is_carried_over(
    rules: dict[str, str], factors: tuple[float, ...], vault: Vault,
) -> None:
    bench = Bench(vault, lora.settle, APPLY, lora='concatenate', **rules)
    sides = base, ours, theirs = pair(0), pair(1), pair(2)
    found = bench(base, ours, theirs)
    wanted = sum(f * product(side) for f, side in zip(factors, sides))
    assert off(product(found), wanted) < 1e-7
    assert found[A].shape == (4 * sum(f != 0 for f in factors), 20)


def test_a_carried_change_of_a_small_rank_comes_through_whole(vault: Vault) -> None:
    base = pair(0, rank=4)
    ours, theirs = ({A: base[A], B: pair(seed)[B]} for seed in (1, 2))
    found = Bench(vault, lora.settle, APPLY)(base, ours, theirs)
    wanted = product(ours) + product(theirs) - product(base)
    assert off(product(found), wanted) < 2e-7


@pytest.mark.parametrize(('root', 'alpha'), [(False, 16), (True, 8 * math.sqrt(2))])
def test_concatenated_it_is_exact_with_the_alpha_that_is_told(
    root: bool, alpha: float, vault: Vault,
) -> None:
    config = {**CONFIG, 'use_rslora': root}
    bench = Bench(vault, lora.settle, files={FILE: [config] * 3}, lora='concatenate')
    ours, theirs = pair(1), pair(2)
    found = bench(pair(0), ours, theirs)
    scale = 8 / (2 if root else 4)
    new = alpha / (math.sqrt(8) if root else 8)
    wanted = scale * (product(ours) + product(theirs)) / 2
    assert off(product(found, new), wanted) < 1e-7
    assert bench.notes == [
        f'{MODULE}: LoRA factors concatenated; adapter_config.json must say r = 8 and '
        f'lora_alpha = {alpha:.12g} for it (in rank_pattern and alpha_pattern, unless '
        'for all modules)',
    ]


@pytest.mark.parametrize('way', ['svd', 'concatenate'])
def test_scales_of_the_versions_count(way: str, vault: Vault) -> None:
    """Theirs changed rank and alpha; the merged file has theirs."""
    files = [CONFIG, CONFIG, {**CONFIG, 'r': 8, 'lora_alpha': 4}]
    bench = Bench(vault, lora.settle, files={FILE: files}, lora=way)
    ours, theirs = pair(1), pair(2, rank=8)
    found = bench(pair(0), ours, theirs)
    wanted = product(ours, 2) / 2 + product(theirs, 0.5) / 2
    assert found[A].shape == ((8 if way == 'svd' else 12), 20)
    if way == 'svd':
        wanted = nearest(wanted, 8)
    assert off(product(found, 0.5), wanted) < 3e-7


def test_patterns_are_matched_as_peft_does(vault: Vault) -> None:
    said = {**CONFIG, 'r': 64, 'rank_pattern': {'self_attn.q_proj': 4, 'proj': 9}}
    scaled = {**said, 'alpha_pattern': {r'layers\.[0-9]+\..*': 12, 'q_proj': 1}}
    other = {**said, 'alpha_pattern': {r'layers\.1\..*': 12, 'model.self_attn': 1}}
    files = {FILE: [other, other, scaled]}
    bench = Bench(vault, lora.settle, files=files, lora='concatenate')
    ours, theirs = pair(1), pair(2)
    found = bench(pair(0), ours, theirs)
    wanted = product(ours, 8 / 4) / 2 + product(theirs, 12 / 4) / 2
    assert off(product(found, 3), wanted) < 1e-7
    assert 'r = 8 and lora_alpha = 24 ' in bench.notes[0]


KOHYA = ('x.lora_down.weight', 'x.lora_up.weight', 'x.alpha')


def kohya(seed: int, alpha: float, rank: int = 4, kernel: int = 3) -> dict[str, Any]:
    return dict(zip(KOHYA, (
        normal(rank, 5, kernel, kernel, seed=seed),
        normal(6, rank, 1, 1, seed=seed + 50), numpy.array(alpha, 'f4'),
    )))


def scaled(arrays: Arrays) -> Any:
    a, b, alpha = (arrays[name] for name in KOHYA)
    return product({'A': a, 'B': b}, float(alpha) / len(a))


@pytest.mark.parametrize('way', ['svd', 'concatenate'])
def test_alpha_beside_the_factors_of_a_convolution(way: str, vault: Vault) -> None:
    bench = Bench(vault, lora.settle, lora=way)
    ours, theirs = kohya(1, 2), kohya(2, 8)
    found = bench(kohya(0, 2), ours, theirs)
    wanted = (scaled(ours) + scaled(theirs)) / 2
    rank, alpha = (4, 8) if way == 'svd' else (8, 16)
    assert {n: a.shape for n, a in found.items()} == {
        KOHYA[0]: (rank, 5, 3, 3), KOHYA[1]: (6, rank, 1, 1), KOHYA[2]: (),
    }
    assert found['x.alpha'] == alpha
    assert off(scaled(found), nearest(wanted, rank)) < 3e-7


def test_factors_one_by_one_say_how_wrong_they_are(vault: Vault) -> None:
    bench = Bench(vault, lora.settle, lora='factors')
    ours = pair(1)
    theirs = {name: array + pair(2)[name] / 10 for name, array in ours.items()}
    found = bench(pair(0), ours, theirs)
    for name in (A, B):
        assert (found[name] == ours[name] * numpy.float32(0.5)
                + theirs[name] * numpy.float32(0.5)).all()
    error = off(product(found), (product(ours) + product(theirs)) / 2)
    assert bench.notes == [
        f'{MODULE}: LoRA factors merged one by one: relative error {error:.2%} of '
        'their product',
    ]
    others = Bench(vault, lora.settle, merge='slerp', lora='factors')
    others(pair(0), ours, theirs)
    assert others.notes == [
        f'{MODULE}: LoRA factors merged one by one: their product is not what the '
        'method gives',
    ]


ODD = {**pair(1), B: normal(31, 4, seed=1)}
NAN = {**pair(1), A: numpy.full((4, 20), numpy.nan, 'f4')}


@pytest.mark.parametrize(('sides', 'files', 'rules', 'reason'), [
    ([pair(0), pair(1), pair(2)],
     [CONFIG, CONFIG, {**CONFIG, 'base_model_name_or_path': 'n'}], {},
     'adapters for different models: m and n'),
    ([pair(0), pair(1), pair(2)],
     [CONFIG, {**CONFIG, 'target_modules': 'all-linear'},
      {**CONFIG, 'target_modules': ['q_proj']}], {},
     "both sides changed 'target_modules' in adapter_config.json"),
    ([pair(0), pair(1), pair(2)],
     [CONFIG, {**CONFIG, 'lora_alpha': 9}, {**CONFIG, 'lora_alpha': 7}], {},
     'both sides changed the rank or alpha of the LoRA'),
    ([None, pair(1), pair(2)], [None, CONFIG, {**CONFIG, 'lora_alpha': 7}], {},
     'both sides changed the rank or alpha of the LoRA'),
    ([pair(0), pair(1), pair(2)], [b'{', CONFIG, b'[]'], {},
     'adapter_config.json cannot be read in one of the versions'),
    ([pair(0), pair(1), pair(2)], [{**CONFIG, 'r': 5}] * 3, {},
     'adapter_config.json says r = 5, and its factors have rank 4'),
    ([pair(0), pair(1), pair(2)], [{**CONFIG, 'lora_alpha': '8'}] * 3, {},
     "adapter_config.json says 'lora_alpha' is no number"),
    ([pair(0), pair(1), pair(2)], [{**CONFIG, 'lora_alpha': 0}] * 3, {},
     "adapter_config.json says 'lora_alpha' is 0"),
    ([pair(0), ODD, pair(2)], [None] * 3, {},
     'the shapes of the products of its LoRA factors differ'),
    ([pair(0), pair(1, rank=5), pair(2, rank=6)], [None] * 3, {},
     'both sides changed the rank or alpha of the LoRA'),
    ([pair(0), pair(1), {A: pair(2)[A]}], [None] * 3, {},
     'one of its two LoRA factors is missing'),
    ([pair(0), NAN, pair(2)], [None] * 3, {},
     'both sides changed it, and it holds NaN or infinity'),
    ([pair(0), pair(1), pair(2)], [None] * 3, {'merge': 'ties'},
     "'ties' cannot merge a product of LoRA factors: 'linear', 'apply' and "
     "'task_arithmetic' can, and 'lora = factors' takes any method"),
    ([None, pair(1), pair(2)], [None] * 3, {'merge': 'task_arithmetic'},
     'added on several sides: there is no base to compare with'),
    ([pair(0), pair(1), pair(2, rank=8)], [None] * 3, {'lora': 'factors'},
     'LoRA factors of different ranks or scales cannot be merged'),
])
def test_what_cannot_be_merged(
    sides: list[Any], files: list[Any], rules: dict[str, str], reason: str,
    vault: Vault,
) -> None:
    bench = Bench(vault, lora.settle, files={FILE: files}, **rules)
    with pytest.raises(Unsettled) as caught:
        bench(*sides)
    assert str(caught.value) == reason


def test_what_overflows_is_not_kept(vault: Vault) -> None:
    big = numpy.float16(6e4)
    ours, theirs = (
        {A: pair(seed, dtype='f2')[A], B: numpy.full((30, 4), big)} for seed in (1, 2)
    )
    bench = Bench(vault, lora.settle, APPLY, apply='task_arithmetic', weights='9,9',
                  lora='concatenate')
    with pytest.raises(Unsettled, match='the result overflows F16'):
        bench(pair(0, dtype='f2'), ours, theirs)


_PROGRAM = """
import hashlib, numpy
from git_model_driver.merging import lowrank
random = numpy.random.Generator(numpy.random.PCG64(1))
terms = [lowrank.Term(0.5, random.random((300, r)) - 0.5, random.random((r, 200)) - 0.5)
         for r in (8, 12)]
found = lowrank.truncated(terms, 8)
print(hashlib.sha256(found.b.tobytes() + found.a.tobytes()).hexdigest(), found.error)
"""


def test_bits_do_not_depend_on_the_processor() -> None:
    found = set()
    for disabled in ('', 'X86_V4', 'X86_V3 X86_V4'):
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', _PROGRAM], capture_output=True,
            env={**os.environ, 'NPY_DISABLE_CPU_FEATURES': disabled}, text=True,
            check=True,
        )
        found.add(done.stdout)
    assert len(found) == 1 and len(found.pop()) > 64
