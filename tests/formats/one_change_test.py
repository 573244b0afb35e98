"""In every format one changed tensor is one changed line and one stored object.

Where a library writes something new at each save (Keras the date, torch an id of the
archive or the addresses of storages) the layout is another, too.
"""
from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.testing.repository import Repo


def _of(module: str) -> Any:
    pytest.importorskip({'onnx': 'onnx', 'flax': 'flax.serialization'}.get(
        module, module if module in ('tensorflow', 'keras') else 'torch'))
    return importlib.import_module(f'tests.formats.{module}_test')


def _keras(folder: Path, value: float, suffix: str) -> None:
    tests = _of('keras')
    tests.save(tests.filled(tests.model(), 'hidden', value), folder / f'm{suffix}')


def _pytorch(folder: Path, value: float, legacy: bool) -> None:
    tests = _of('pytorch')
    state = {**tests.odd(), 'changed': tests.torch.full((3, 2), value)}
    (folder / 'm.pt').write_bytes(tests.saved(state, legacy))


def _onnx(folder: Path, value: float) -> None:
    tests = _of('onnx')
    tests.onnx.save(tests.model(value), folder / 'm.onnx')


def _onnx_data(folder: Path, value: float) -> None:
    _of('onnx').save_external(folder / 'm.onnx', value)


def _flax(folder: Path, value: float) -> None:
    (folder / 'm.msgpack').write_bytes(_of('flax').saved(value))


def _checkpoint(folder: Path, value: float) -> None:
    _of('tensorflow').save_v1(folder / 'm', weight=[value, 1], other=[2.])


def _hdf5(folder: Path, value: float) -> None:
    from tests.formats.hdf5_test import h5py

    with h5py.File(folder / 'm.h5', 'w') as file:
        file['a'], file['b'] = numpy.arange(5.), numpy.full(3, value)


def _gguf(folder: Path, value: float) -> None:
    from tests.formats.gguf_test import write

    write(folder / 'm.gguf', layers=1, scale=value + 1)


# Who writes it, and how many files have the line.
CASES: dict[str, tuple[Callable[[Path, float], None], int]] = {
    'keras': (lambda f, v: _keras(f, v, '.keras'), 1),
    'h5': (lambda f, v: _keras(f, v, '.h5'), 1),
    'weights.h5': (lambda f, v: _keras(f, v, '.weights.h5'), 1),
    'pytorch': (lambda f, v: _pytorch(f, v, False), 1),
    'legacy pytorch': (lambda f, v: _pytorch(f, v, True), 1),
    'onnx': (_onnx, 1), 'onnx data': (_onnx_data, 1), 'flax': (_flax, 1),
    'checkpoint': (_checkpoint, 2), 'hdf5': (_hdf5, 1), 'gguf': (_gguf, 1),
}


LAYOUT_MOVES = ('keras', 'pytorch', 'legacy pytorch')


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', CASES)
def test_one_change(repo: Repo, name: str) -> None:
    write, files = CASES[name]
    repo.git('model', 'track', '--preset', 'tensorflow', '--preset', 'pytorch',
             '--preset', 'onnx', '--preset', 'flax', '--preset', 'gguf')
    write(repo.path, 0)
    repo.commit('before')
    if name == 'keras':
        time.sleep(2.1)     # dates in archives are of even seconds
    before = repo.store()
    write(repo.path, 1)
    repo.commit('after')
    said = repo.git('diff', '--no-textconv', '-U0', 'HEAD~1').splitlines()
    kinds = ('+tensor ', '+layout ', '+meta ')
    added = [line for line in said if line.startswith(kinds)]
    tensors = [line for line in added if line.startswith('+tensor ')]
    assert len(tensors) == files
    moves = name in LAYOUT_MOVES
    assert len(added) == len(tensors) + moves
    assert len(repo.store() - before) == 1 + moves
