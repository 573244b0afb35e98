"""ONNX models, with onnx as the writer and the judge."""
from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from git_model_driver.formats import registry
from git_model_driver.formats import wire
from tests.testing.models import Vault
from tests.testing.repository import Repo

onnx: Any = pytest.importorskip('onnx')


def model(step: float = 0, *, extra: bool = False) -> Any:
    helper, number = onnx.helper, onnx.TensorProto
    weight = numpy.arange(6, dtype='f4').reshape(2, 3) + numpy.float32(step)
    weights = [
        onnx.numpy_helper.from_array(weight, 'w'),
        onnx.numpy_helper.from_array(numpy.ones(3, 'f2'), 'half'),
        onnx.numpy_helper.from_array(numpy.array([2, 3]), 'shape'),
        helper.make_tensor('typed', number.FLOAT, [2], [1., 2]),
    ]
    nodes = [helper.make_node('MatMul', ['x', 'w'], ['y'])]
    if extra:
        nodes.append(helper.make_node('Relu', ['y'], ['z']))
    graph = helper.make_graph(
        nodes, 'g', [helper.make_tensor_value_info('x', number.FLOAT, ['n', 2])],
        [helper.make_tensor_value_info('y', number.FLOAT, [None, 3])], weights)
    return helper.make_model(graph, producer_name='test', ir_version=10,
                             opset_imports=[helper.make_opsetid('', 20)])


def arrays(path: Path) -> dict[str, Any]:
    loaded = onnx.load(path)
    onnx.checker.check_model(loaded)
    return {
        t.name: onnx.numpy_helper.to_array(t, str(path.parent)).tolist()
        for t in loaded.graph.initializer
    }


def save_external(path: Path, step: float = 0) -> None:
    data = Path(f'{path}.data')
    data.unlink(missing_ok=True)
    onnx.save(model(step), path, save_as_external_data=True, size_threshold=0,
              location=data.name)


def test_initializers_and_lines(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    manifest = vault.around(model().SerializeToString())
    assert {n: (e.dtype, e.shape) for n, e in manifest.tensors.items()} == {
        'w': ('F32', (2, 3)), 'half': ('F16', (3,)), 'shape': ('I64', (2,)),
    }
    assert manifest.meta == {
        'ir_version': '10', 'producer': 'test', 'opset/ai.onnx': '20',
        'operator/MatMul': '1', 'input/x': 'F32 (n,2)', 'output/y': 'F32 (?,3)',
    }
    stored = vault.store.read(manifest.tensors['w'].oid)
    assert numpy.frombuffer(stored, 'f4').tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize('external', [False, True])
@pytest.mark.parametrize('operation, expected', [
    (('merge', '--no-edit', 'topic'), 15), (('rebase', '-q', 'topic'), 30),
])
def test_versions_meet(
    repo: Repo, external: bool, operation: tuple[str, ...], expected: float,
) -> None:
    repo.git('model', 'track', '*.onnx', '*.onnx.data')
    path = repo.path / 'm.onnx'

    def step(value: float) -> Callable[[], None]:
        if external:
            return lambda: save_external(path, value)
        return lambda: onnx.save(model(value), path)

    repo.fork(step(0), step(10), step(20))
    repo.git(*operation)
    wanted = numpy.arange(6).reshape(2, 3) + expected
    assert arrays(path)['w'] == wanted.tolist()
    assert arrays(path)['typed'] == [1, 2]
    assert repo.status() == ''
    if external:
        assert 'tensor w F32 2x3' in repo.manifest('m.onnx.data')


def test_one_side_changes_the_graph(repo: Repo) -> None:
    repo.git('model', 'track', '*.onnx')
    path = repo.path / 'm.onnx'
    repo.fork(
        lambda: onnx.save(model(), path), lambda: onnx.save(model(5), path),
        lambda: onnx.save(model(extra=True), path),
    )
    repo.git('merge', '--no-edit', 'topic')
    assert arrays(path)['w'][0][0] == 5
    assert [node.op_type for node in onnx.load(path).graph.node] == ['MatMul', 'Relu']


def test_external_data_of_another_model_are_opaque(tmp_path: Path) -> None:
    save_external(tmp_path / 'm.onnx')
    data = tmp_path / 'm.onnx.data'
    data.write_bytes(data.read_bytes()[:10])
    assert Vault(tmp_path).around_file(data).format == 'opaque'


def test_damaged_files_are_read_or_refused() -> None:
    sample = model().SerializeToString()
    random.seed(6)
    for _ in range(2000):
        data = bytearray(sample)
        for _ in range(random.choice((1, 1, 3))):
            data[random.randrange(len(data))] = random.randrange(256)
        found = registry.read_any(bytes(data))
        assert found is None or found.size == len(data)


@pytest.mark.parametrize('value', [0, 127, 128, (1 << 64) - 1])
def test_numbers_of_the_wire(value: int) -> None:
    data = wire.packed(value)
    assert wire.varint(data, 0) == (value, len(data))
    assert wire.signed((1 << 64) - 1) == -1
