"""Damaged files of every format: read or refused, never a crash, never a loss."""
from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOWEST, MOST = 1, 300      # seconds, MB


def _safetensors(folder: Path) -> str:
    from tests.testing.models import SAMPLES

    (folder / 'm.safetensors').write_bytes(SAMPLES['safetensors']())
    return 'm.safetensors'


def _npz(folder: Path) -> str:
    from tests.testing.models import SAMPLES

    (folder / 'm.npz').write_bytes(SAMPLES['npz, compressed']())
    return 'm.npz'


def _npy(folder: Path) -> str:
    from tests.testing.models import SAMPLES

    (folder / 'm.npy').write_bytes(SAMPLES['npy']())
    return 'm.npy'


def _gguf(folder: Path) -> str:
    from tests.formats.gguf_test import write

    write(folder / 'm.gguf')
    return 'm.gguf'


def _hdf5(folder: Path) -> str:
    from tests.formats.hdf5_test import write

    write(folder / 'm.h5')
    return 'm.h5'


def _chunks(folder: Path) -> str:
    from tests.formats.hdf5_test import write_chunked

    write_chunked(folder / 'c.h5', compression='gzip', shuffle=True)
    return 'c.h5'


def _keras(folder: Path) -> str:
    pytest.importorskip('keras')
    from tests.formats.keras_test import model
    from tests.formats.keras_test import save

    save(model(), folder / 'm.keras')
    return 'm.keras'


def _legacy_keras(folder: Path) -> str:
    pytest.importorskip('keras')
    from tests.formats.keras_test import model
    from tests.formats.keras_test import save

    save(model(), folder / 'm.h5')
    return 'm.h5'


def _pytorch(folder: Path) -> str:
    pytest.importorskip('torch')
    from tests.formats.pytorch_test import odd
    from tests.formats.pytorch_test import saved

    (folder / 'm.pt').write_bytes(saved(odd()))
    return 'm.pt'


def _legacy_pytorch(folder: Path) -> str:
    pytest.importorskip('torch')
    from tests.formats.pytorch_test import odd
    from tests.formats.pytorch_test import saved

    (folder / 'm.pt').write_bytes(saved(odd(), legacy=True))
    return 'm.pt'


def _checkpoint(folder: Path) -> None:
    pytest.importorskip('tensorflow')
    from tests.formats.tensorflow_test import export

    export(folder / 'm', 1, 2)
    for file in (folder / 'm' / 'variables').iterdir():
        file.replace(folder / file.name)
    (folder / 'm' / 'saved_model.pb').replace(folder / 'saved_model.pb')


def _index(folder: Path) -> str:
    _checkpoint(folder)
    return 'variables.index'


def _data(folder: Path) -> str:
    _checkpoint(folder)
    return 'variables.data-00000-of-00001'


def _saved_model(folder: Path) -> str:
    _checkpoint(folder)
    return 'saved_model.pb'


def _onnx(folder: Path) -> str:
    onnx = pytest.importorskip('onnx')
    from tests.formats.onnx_test import model

    onnx.save(model(), folder / 'm.onnx')
    return 'm.onnx'


def _flax(folder: Path) -> str:
    pytest.importorskip('flax.serialization')
    from tests.formats.flax_test import saved

    (folder / 'm.msgpack').write_bytes(saved())
    return 'm.msgpack'


MAKERS: dict[str, Callable[[Path], str]] = {
    'safetensors': _safetensors, 'npz': _npz, 'npy': _npy, 'gguf': _gguf,
    'hdf5': _hdf5, 'chunks': _chunks, 'keras': _keras, 'legacy keras': _legacy_keras,
    'pytorch': _pytorch, 'legacy pytorch': _legacy_pytorch, 'index': _index,
    'data': _data, 'saved model': _saved_model, 'onnx': _onnx, 'flax': _flax,
}


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('count', [
    250, pytest.param(50_000, marks=pytest.mark.slow),
])
@pytest.mark.parametrize('name', MAKERS)
def test_mutated_files_are_read_or_refused(
    tmp_path: Path, name: str, count: int,
) -> None:
    file = MAKERS[name](tmp_path)
    script = (sys.executable, '-m', 'tests.oracles.mutations', tmp_path, file)
    done = subprocess.run((*script, str(count)), cwd=ROOT, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said['slowest'] <= SLOWEST and said['peak'] <= MOST, said
    assert sum(said['formats'].values()) > count * .9
    assert len(said['formats']) > 1, 'nothing was refused, or nothing read'
