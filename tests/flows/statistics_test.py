"""The numbers that git diff and git model show print are those of NumPy in float64."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import ml_dtypes
import numpy
import pytest

from tests.testing.repository import Repo

M = 'a "b"\n\u202e.safetensors'
SCHEMA = Path(__file__).parents[2] / 'docs/show.schema.json'


def drawn(dtype: Any, *odd: float) -> Any:
    """Normal values, the first of which are replaced."""
    array = numpy.random.default_rng(3).standard_normal(70_000).astype(dtype)
    array[:len(odd)] = odd
    return array.reshape(7, -1)


ARRAYS = {
    'all odd': drawn('f4', numpy.nan, numpy.inf, -numpy.inf, 0.0, -0.0, 1e-45),
    'bf16': drawn(ml_dtypes.bfloat16, 0.0, numpy.nan),
    'bool': numpy.array([True, False, False]),
    'f16': drawn('f2', numpy.inf),
    'int': numpy.arange(-4, 9),
    'nothing odd': 1 + abs(drawn('f8')),
    'zeros': numpy.zeros((2, 3), 'f4'),
}


def expected(array: Any) -> dict[str, Any]:
    wide = array.astype('f8').ravel()
    finite = wide[numpy.isfinite(wide)]
    return {
        'mean': finite.mean(), 'std': finite.std(), 'min': finite.min(),
        'max': finite.max(), 'norm': numpy.sqrt((finite * finite).sum()),
        'nan': int(numpy.isnan(wide).sum()), 'inf': int(numpy.isinf(wide).sum()),
        'zeros': int((wide == 0).sum()),
    }


def line(array: Any) -> str:
    *moments, nan, inf, zeros = expected(array).values()
    counts = ('nan', nan), ('inf', inf), ('zeros', zeros)
    return ' '.join([
        *(f'{value:.6g}' for value in moments),
        *(f'{name}={count}' for name, count in counts if count),
    ])


@pytest.fixture
def kept(repo: Repo) -> Repo:
    repo.save(M, **ARRAYS)
    repo.commit('odd')
    return repo


def test_a_diff_counts_what_is_odd_where_anything_is(kept: Repo) -> None:
    lines = kept.git('show', '--format=').splitlines()
    shown = lines[lines.index('+') + 1:]
    assert [text.split(' ', 4)[4] for text in shown] == [
        line(array) for array in ARRAYS.values()
    ]
    assert [text.split()[0] for text in shown if '=' not in text] == [
        r'+"nothing\u0020odd"',
    ]


def test_show_says_the_same(kept: Repo) -> None:
    text = kept.git('model', 'show', '--stats', f'HEAD:{M}')
    rows = [row.split() for row in text.splitlines()[2:]]
    assert [' '.join(row[4:]) for row in rows] == [line(a) for a in ARRAYS.values()]


def test_the_document_has_every_digit(kept: Repo) -> None:
    document = json.loads(kept.git('model', 'show', '--stats', '--json', M))
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    for tensor, array in zip(document['tensors'], ARRAYS.values()):
        wanted = expected(array)
        assert tensor['statistics'] == pytest.approx(wanted, rel=1e-12, abs=1e-13)
        for name in ('min', 'max', 'nan', 'inf', 'zeros'):
            assert tensor['statistics'][name] == wanted[name]
