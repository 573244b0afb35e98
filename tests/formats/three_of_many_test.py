"""In every format, 3 of 300 changed tensors are 3 changed lines; none after a re-save.

Where a library writes something new at each save, one more line says that the layout is
another.
"""
from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest

from git_model_driver.formats.registry import FORMATS
from tests.testing import models
from tests.testing.repository import Repo

MANY = 300
CHANGED = (7, 123, 299)
Arrays = Mapping[str, Any]


def _library(name: str) -> Any:
    pytest.importorskip(name.partition('.')[0])
    return importlib.import_module(name)


def _safetensors(file: Path, arrays: Arrays) -> None:
    importlib.import_module('safetensors.numpy').save_file(dict(arrays), file)


def _npz(file: Path, arrays: Arrays) -> None:
    file.write_bytes(models.npz(**arrays))


def _hdf5(file: Path, arrays: Arrays) -> None:
    with _library('h5py').File(file, 'w') as opened:
        for name, array in arrays.items():
            opened[name.replace('.', '/')] = array


def _pytorch(file: Path, arrays: Arrays, new: bool = True) -> None:
    torch = _library('torch')
    state = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    torch.save(state, file, _use_new_zipfile_serialization=new)


def _onnx_model(arrays: Arrays) -> Any:
    onnx = _library('onnx')
    weights = [onnx.numpy_helper.from_array(a, name) for name, a in arrays.items()]
    return onnx.helper.make_model(onnx.helper.make_graph([], 'g', [], [], weights))


def _onnx(file: Path, arrays: Arrays) -> None:
    _library('onnx').save(_onnx_model(arrays), file)


def _onnx_data(file: Path, arrays: Arrays) -> None:
    data = Path(f'{file}.data')
    data.unlink(missing_ok=True)
    _library('onnx').save(_onnx_model(arrays), file, save_as_external_data=True,
                          size_threshold=0, location=data.name)


def _gguf(file: Path, arrays: Arrays) -> None:
    writer = _library('gguf').GGUFWriter(file, 'llama')
    for name, array in arrays.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _flax(file: Path, arrays: Arrays) -> None:
    serialization = _library('flax.serialization')
    file.write_bytes(serialization.msgpack_serialize(dict(arrays)))


def _checkpoint(file: Path, arrays: Arrays) -> None:
    _library('tensorflow')
    save = importlib.import_module('tests.formats.tensorflow_test').save_v1
    save(file.with_suffix(''), **arrays)


def _savedmodel(file: Path, arrays: Arrays) -> None:
    tf = _library('tensorflow')
    module = tf.Module()
    module.variables_ = [tf.Variable(array) for array in arrays.values()]
    tf.saved_model.save(module, str(file.parent))


def _keras(file: Path, arrays: Arrays) -> None:
    keras = _library('keras')
    keras.backend.clear_session()
    layers = [keras.Input((1,))]
    layers += [keras.layers.Dense(1, name=f'blocks_{i}') for i in range(MANY // 2)]
    model = keras.Sequential(layers)
    model.set_weights([
        array[:1].reshape((1, 1) if i % 2 == 0 else (1,))
        for i, array in enumerate(arrays.values())
    ])
    (model.save_weights if file.name.endswith('.weights.h5') else model.save)(file)


# By format: the file, who writes it, how many files show the line.
CASES: dict[str, tuple[str, Callable[[Path, Arrays], None], int]] = {
    'safetensors': ('m.safetensors', _safetensors, 1),
    'npz': ('m.npz', _npz, 1),
    'hdf5': ('m.h5', _hdf5, 1),
    'pytorch': ('m.pt', _pytorch, 1),
    'pytorch-legacy': ('m.pth', lambda f, a: _pytorch(f, a, False), 1),
    'onnx': ('m.onnx', _onnx, 1),
    'onnx-data': ('m.onnx', _onnx_data, 1),
    'gguf': ('m.gguf', _gguf, 1),
    'flax': ('m.msgpack', _flax, 1),
}
HEAVY: dict[str, tuple[str, Callable[[Path, Arrays], None], int]] = {
    'tensorflow-index': ('m.index', _checkpoint, 2),
    'savedmodel': ('sm/saved_model.pb', _savedmodel, 2),
    'keras': ('m.keras', _keras, 1),
    'keras weights': ('m.weights.h5', _keras, 1),
}
# An id of each archive, addresses of storages, the time of each save: in so many files.
LAYOUTS = {'pytorch': 1, 'pytorch-legacy': 1, 'keras': 1, 'savedmodel': 2}


def test_every_format_is_here() -> None:
    """But .npy, which has one array, and a checkpoint's data, beside its index."""
    known = set(FORMATS) - {'npy', 'tensorflow-data'}
    assert known == {*CASES, *HEAVY} - {'keras weights'}


def changed_lines(patch: str) -> list[str]:
    return [
        line for line in patch.splitlines()
        if line[:1] in '+-' and not line.startswith(('+++', '---'))
    ]


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', [
    *CASES, *(pytest.param(name, marks=pytest.mark.slow) for name in HEAVY),
])
def test_three_changed_lines_and_no_noise(repo: Repo, name: str) -> None:
    file, write, files = (CASES | HEAVY)[name]
    path = repo.path / file
    path.parent.mkdir(exist_ok=True)
    repo.git('model', 'track', '*.npz', '*.h5', '*.pt', '*.pth', '--preset',
             'tensorflow', '--preset', 'onnx', '--preset', 'flax', '--preset', 'gguf')
    arrays = {f'blocks.{i}.w': numpy.arange(4, dtype='f4') + i for i in range(MANY)}
    write(path, arrays)
    repo.commit('before')
    if name.startswith('keras'):
        time.sleep(2.1)         # dates in archives are of even seconds
    write(path, arrays)
    saved_again = changed_lines(repo.git('diff'))
    assert all(line[1:].startswith('layout ') for line in saved_again)
    assert len(saved_again) <= 2 * LAYOUTS.get(name, 0)
    said = repo.git('model', 'diff').splitlines()
    assert len(said) == len(saved_again) // 2
    assert all(line.endswith(', written in another way') for line in said)

    for i in CHANGED:
        arrays[f'blocks.{i}.w'] = numpy.arange(4, dtype='f4') * 2 + i + 1
    write(path, arrays)
    lines = changed_lines(repo.git('diff'))
    tensors = [line for line in lines if not line[1:].startswith('layout ')]
    assert [line[0] for line in tensors] == ['-', '+'] * 3 * files
    assert len(lines) - len(tensors) <= 2 * LAYOUTS.get(name, 0)
    assert all(line.count(' ') == 8 for line in tensors)
    assert repo.git('model', 'diff').count('\n  M  ') == 3 * files
    summary = repo.git('diff', '--stat').splitlines()[-1]
    assert 'changed' in summary and repo.git('diff', '--check') == ''
