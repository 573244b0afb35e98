"""Checkpoints and SavedModels, with TensorFlow as the writer and the judge."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from git_model_driver.core import sums
from git_model_driver.formats.tensorflow import bundle
from git_model_driver.formats.tensorflow import names
from git_model_driver.formats.tensorflow import table
from tests.testing.models import Vault
from tests.testing.repository import Repo

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
tf: Any = pytest.importorskip('tensorflow')
pytestmark = pytest.mark.filterwarnings('ignore')       # TensorFlow's own

DATA = '.data-00000-of-00001'


def save_v1(prefix: Path, **variables: Any) -> None:
    """As a script of TensorFlow 1 does."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        made = [
            v1.get_variable(name, initializer=tf.constant(value, tf.float32))
            for name, value in variables.items()
        ]
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(made)
        saver.save(session, str(prefix), write_meta_graph=False, write_state=False)


def load(prefix: Path) -> dict[str, Any]:
    reader = tf.train.load_checkpoint(str(prefix))
    return {
        name: reader.get_tensor(name).tolist()
        for name in reader.get_variable_to_shape_map()
    }


class Module(tf.Module):    # type: ignore[misc]
    """What is exported as a SavedModel."""

    def __init__(self, weight: float, bias: float) -> None:
        super().__init__()
        self.weight = tf.Variable([[float(weight)]] * 2, name='weight')
        self.bias = tf.Variable([float(bias)], name='bias')
        self.labels = tf.Variable(['ü', ''], name='labels')

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name='x')])
    def serve(self, x: Any) -> Any:
        return x @ self.weight + self.bias


def export(folder: Path, weight: float, bias: float) -> None:
    module = Module(weight, bias)
    tf.saved_model.save(module, str(folder), signatures=module.serve)


def test_both_files_have_the_same_tensors(tmp_path: Path) -> None:
    save_v1(tmp_path / 'm', weight=[1.5, 2], bias=.5)
    vault = Vault(tmp_path)
    data = vault.around_file(tmp_path / f'm{DATA}')
    index = vault.around_file(tmp_path / 'm.index')
    assert data.format == 'tensorflow-data' and index.format == 'tensorflow-index'
    assert data.tensors == index.tensors
    assert set(data.tensors) == {'weight', 'bias'}
    stored = vault.store.read(data.tensors['weight'].oid)
    assert numpy.frombuffer(stored, 'f4').tolist() == [1.5, 2]


def test_names_are_those_of_the_variables(tmp_path: Path) -> None:
    export(tmp_path / 'm', 1, 2)
    vault = Vault(tmp_path)
    manifest = vault.around_file(tmp_path / 'm' / 'variables' / f'variables{DATA}')
    assert {'weight', 'bias', 'labels'} == set(manifest.tensors)
    assert manifest.tensors['labels'].dtype == 'BYTES'
    graph = vault.around_file(tmp_path / 'm' / 'saved_model.pb')
    assert graph.meta['signature/serving_default'] == (
        'x: F32 (-1,2) -> output_0: F32 (-1,1)'
    )
    assert graph.meta['operation/MatMul'] == '1'
    assert graph.meta['variable/weight'] == 'F32 (2,1)'
    vault.around_file(tmp_path / 'm' / 'fingerprint.pb')


def test_a_variable_without_a_name_is_called_by_its_place(repo: Repo) -> None:
    """And a step is counted on, not averaged."""
    repo.git('model', 'track', '--preset', 'tensorflow')

    def write(step: int, weight: float) -> Callable[[], None]:
        def run() -> None:
            made = {'step': tf.Variable(step), 'w': tf.Variable([weight], name='w')}
            tf.train.Checkpoint(**made).write(str(repo.path / 'm'))

        return run

    repo.fork(write(1, 0.), write(5, 2.), write(9, 4.))
    assert 'tensor step I32 scalar' in repo.manifest('m.index')
    repo.git('merge', '--no-edit', 'topic')
    found = {'step': tf.Variable(0), 'w': tf.Variable([0.])}
    tf.train.Checkpoint(**found).read(str(repo.path / 'm')).assert_consumed()
    assert (int(found['step']), found['w'].numpy().tolist()) == (9, [3])


def test_a_partitioned_variable_is_its_slices(tmp_path: Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable('part', (10, 4), partitioner=(
            v1.fixed_size_partitioner(3)), initializer=v1.zeros_initializer())
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(tmp_path / 'm'), write_meta_graph=False)
    manifest = Vault(tmp_path).around_file(tmp_path / 'm.index')
    assert {n: e.shape for n, e in manifest.tensors.items()} == {
        'part[0:4,0:4]': (4, 4), 'part[4:7,0:4]': (3, 4), 'part[7:10,0:4]': (3, 4),
    }


def test_an_index_of_another_save_names_nothing(tmp_path: Path) -> None:
    save_v1(tmp_path / 'a', weight=[1.5, 2], bias=.5)
    save_v1(tmp_path / 'b', weight=[1.5, 3], bias=.5)
    (tmp_path / 'b.index').replace(tmp_path / 'a.index')
    vault = Vault(tmp_path)
    assert vault.around_file(tmp_path / f'a{DATA}').format == 'opaque'
    assert vault.around_file(tmp_path / 'a.index').format == 'opaque'
    assert vault.around_file(tmp_path / f'b{DATA}').format == 'opaque'      # has none


@pytest.mark.parametrize('count', [1, 2, 20, 5000])
def test_a_table_is_written_as_tensorflow_writes_it(tmp_path: Path, count: int) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / 'm'),
        tensor_names=[f'layer_{i}/kernel' * (1 + i % 3) for i in range(count)],
        shape_and_slices=[''] * count,
        tensors=[tf.constant([float(i)]) for i in range(count)],
    )
    written = (tmp_path / 'm.index').read_bytes()
    items = table.items(written)
    again = table.write((i.key, written[i.start:i.end]) for i in items)
    assert again == written
    assert len(bundle.read(written).variables) == count


def step(repo: Repo, **variables: Any) -> Callable[[], None]:
    return lambda: save_v1(repo.path / 'm', **variables)


@pytest.mark.parametrize('operation, expected', [
    (('merge', '--no-edit', 'topic'), 15.), (('rebase', '-q', 'topic'), 30.),
    (('cherry-pick', 'topic'), 30.),
])
def test_the_two_files_meet_in_the_same_numbers(
    repo: Repo, operation: tuple[str, ...], expected: float,
) -> None:
    repo.git('model', 'track', '*.index', '*.data-*')
    repo.fork(
        step(repo, weight=[0., 1], bias=1., only=[1., 2]),
        step(repo, weight=[10., 1], bias=2., only=[1., 2]),
        step(repo, weight=[20., 1], bias=1., only=[3., 4]),
    )
    repo.git(*operation)
    assert repo.status() == ''
    assert load(repo.path / 'm') == {
        'weight': [expected, 1], 'bias': 2, 'only': [3, 4],
    }
    repo.git('checkout', '-q', 'topic')
    assert load(repo.path / 'm')['weight'] == [20, 1]


@pytest.mark.parametrize('operation', [
    ('merge', '--no-edit', 'topic'), ('rebase', '-q', 'topic'),
])
def test_both_sides_add_a_variable(repo: Repo, operation: tuple[str, ...]) -> None:
    repo.git('model', 'track', '*.index', '*.data-*')
    repo.fork(
        step(repo, b=[1.]), step(repo, a=[2., 3], b=[1.]), step(repo, b=[1.], c=4.),
    )
    repo.git(*operation)
    assert load(repo.path / 'm') == {'a': [2, 3], 'b': [1], 'c': 4}
    assert repo.status() == ''


def test_a_conflict_is_one_in_both_files(repo: Repo) -> None:
    repo.git('model', 'track', '*.index', '*.data-*')
    repo.fork(
        step(repo, w=[1.]), step(repo, w=[1., 2]), step(repo, w=[1., 2, 3]),
    )
    repo.git('merge', 'topic', code=1)
    assert repo.git('diff', '--name-only', '--diff-filter=U').split() == [
        f'm{DATA}', 'm.index',
    ]
    repo.git('model', 'resolve', '--theirs', 'm.index')
    repo.git('model', 'resolve', '--theirs', f'm{DATA}')
    repo.git('commit', '-q', '--no-edit')
    assert load(repo.path / 'm') == {'w': [1, 2, 3]}


def test_saved_models_meet(repo: Repo) -> None:
    repo.git('model', 'track', 'model/**')
    folder = repo.path / 'model'
    repo.fork(
        lambda: export(folder, 1, 0), lambda: export(folder, 3, 0),
        lambda: export(folder, 5, 8),
    )
    repo.git('merge', '--no-edit', 'topic')
    assert repo.status() == ''
    loaded = tf.saved_model.load(str(folder))
    assert loaded.serve(tf.ones((1, 2))).numpy().tolist() == [[16]]
    assert loaded.labels.numpy().tolist() == ['ü'.encode(), b'']
    repo.git('revert', '--no-edit', '-m1', 'HEAD')
    loaded = tf.saved_model.load(str(folder))
    assert loaded.serve(tf.ones((1, 2))).numpy().tolist() == [[6]]


def test_the_index_seen_before_the_data(repo: Repo) -> None:
    """A checkpoint that is still being written is read again when it is whole."""
    repo.git('model', 'track', '*.index', '*.data-*')
    save_v1(repo.path / 'm', w=[1., 2])
    index = repo.read('m.index')
    (repo.path / 'm.index').unlink()
    assert 'format opaque' in repo.git('model', 'clean', f'm{DATA}',
                                       input=repo.read(f'm{DATA}'))
    repo.write('m.index', index)
    repo.commit('whole')
    assert 'tensor w F32' in repo.manifest(f'm{DATA}')
    assert 'tensor w F32' in repo.manifest('m.index')


def test_sums_of_strings() -> None:
    data = b'\3\1' + bytes(4) + b'abcd'
    assert sums.of('strings', [data[:3], data[3:]]) == sums.of(
        'crc32c', [bytes([3, 0, 0, 0, 1, 0, 0, 0]) + bytes(4) + b'abcd'])


def test_slices_of_any_size_have_names() -> None:
    key = b'\0w\0\xff\xff\0\0\1' + b'\1\2' + b'\x80\xc2\x58' + b'\x80\x7f'
    assert names.labels([key], b'') == {key: 'w\0\\xff[0:600,:]'}
