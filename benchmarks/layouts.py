"""How long it takes to see which bytes of a 1 GB model are whose, by format.

    python benchmarks/layouts.py [<folder>]

Makes a file of 256 tensors of 4 MiB in each format with its own library (TensorFlow,
torch, h5py, onnx, gguf, flax, safetensors, NumPy: what is not installed is left
out) and a .pt of 20,000 tensors. Each is read five times, each time by a new
process; the best is printed, without the interpreter's start and with the imports.
"""
from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy

COUNT, SHAPE, ROUNDS = 256, (1024, 1024), 5
READ = '''
import os, sys, time
began = time.perf_counter()
from git_model_driver.formats import registry
from git_model_driver.store.source import FileSource
path = sys.argv[1]
fd = os.open(path, os.O_RDONLY)
loaded = time.perf_counter()
layout = registry.read_any(FileSource(fd, path, os.path.dirname(path)))
print(layout.format, len(layout.tensors), loaded - began, time.perf_counter() - loaded)
'''


def arrays(count: int = COUNT) -> dict[str, Any]:
    one = numpy.zeros(SHAPE, 'f4')
    return {f'layers.{i}.weight': one for i in range(count)}


def safetensors(folder: Path) -> Path:
    from safetensors.numpy import save_file

    save_file(arrays(), folder / 'm.safetensors')
    return folder / 'm.safetensors'


def npz(folder: Path) -> Path:
    numpy.savez(folder / 'm.npz', **arrays())
    return folder / 'm.npz'


def hdf5(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / 'm.h5', 'w') as file:
        for name, array in arrays().items():
            file[name.replace('.', '/')] = array
    return folder / 'm.h5'


def keras(folder: Path) -> Path:
    import zipfile

    inner = hdf5(folder)
    with zipfile.ZipFile(folder / 'm.keras', 'w') as file:
        file.writestr('config.json', '{"config": {"layers": []}}')
        file.write(inner, 'model.weights.h5')
    return folder / 'm.keras'


def pytorch(folder: Path, legacy: bool = False) -> Path:
    import torch

    state = {n: torch.zeros(SHAPE) for n in arrays()}
    torch.save(state, folder / 'm.pt', _use_new_zipfile_serialization=not legacy)
    return folder / 'm.pt'


def legacy_pytorch(folder: Path) -> Path:
    return pytorch(folder, legacy=True)


def many_tensors(folder: Path) -> Path:
    import torch

    state = {f'layers.{i}.weight': torch.zeros(8) for i in range(20_000)}
    torch.save(state, folder / 'many.pt')
    return folder / 'many.pt'


def tensorflow(folder: Path) -> Path:
    import tensorflow as tf

    names = list(arrays())
    one = tf.zeros(SHAPE)
    tf.raw_ops.SaveV2(prefix=str(folder / 'm'), tensor_names=names,
                      shape_and_slices=[''] * COUNT, tensors=[one] * COUNT)
    return folder / 'm.data-00000-of-00001'


def tensorflow_index(folder: Path) -> Path:
    return tensorflow(folder).with_name('m.index')


def gguf(folder: Path) -> Path:
    from gguf import GGUFWriter

    writer = GGUFWriter(folder / 'm.gguf', 'llama')
    for name, array in arrays().items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / 'm.gguf'


def onnx(folder: Path) -> Path:
    from onnx import helper
    from onnx import numpy_helper

    weights = [numpy_helper.from_array(a, n) for n, a in arrays().items()]
    model = helper.make_model(helper.make_graph([], 'g', [], [], weights))
    (folder / 'm.onnx').write_bytes(model.SerializeToString())
    return folder / 'm.onnx'


def flax(folder: Path) -> Path:
    from flax.serialization import msgpack_serialize

    (folder / 'm.msgpack').write_bytes(msgpack_serialize(arrays()))
    return folder / 'm.msgpack'


MAKERS: tuple[Callable[[Path], Path], ...] = (
    safetensors, npz, hdf5, keras, pytorch, legacy_pytorch, tensorflow,
    tensorflow_index, gguf, onnx, flax, many_tensors,
)


def measured(path: Path) -> tuple[str, str, float, float]:
    """Format, number of tensors, seconds of the imports and of the layout."""
    runs = []
    for _ in range(ROUNDS):
        done = subprocess.run((sys.executable, '-c', READ, path), check=True,
                              capture_output=True, text=True)
        form, count, imports, layout = done.stdout.split()
        runs.append((float(layout), float(imports)))
    layout_time, import_time = min(runs)
    return form, count, import_time, layout_time


def main() -> None:
    place = sys.argv[1] if sys.argv[1:] else None
    print('| file | format | tensors | layout, ms | imports, ms |')
    print('|---|---|---|---|---|')
    for make in MAKERS:
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            try:
                path = make(Path(scratch))
            except ImportError as e:
                print(f'| {make.__name__} | left out: {e} | | | |')
                continue
            form, count, imports, layout = measured(path)
        print(f'| {make.__name__} | {form} | {count} | {layout * 1e3:.1f} | '
              f'{imports * 1e3:.0f} |', flush=True)


if __name__ == '__main__':
    main()
