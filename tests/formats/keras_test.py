"""Keras' own files, with Keras as the writer and the judge."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.testing.models import Vault
from tests.testing.models import numbered
from tests.testing.repository import Repo

keras: Any = pytest.importorskip('keras')
# Those of TensorFlow about NumPy are none of ours.
pytestmark = pytest.mark.filterwarnings('ignore')

SUFFIXES = ('.keras', '.h5', '.weights.h5')
LAYERS = {
    'bn/beta', 'bn/gamma', 'bn/moving_mean', 'bn/moving_variance', 'conv/bias',
    'conv/kernel', 'hidden/bias', 'hidden/kernel', 'logits/bias', 'logits/kernel',
}


def model(*extra: str, units: int = 8) -> Any:
    """A small network; ``extra`` are more layers before the last."""
    keras.backend.clear_session()       # or names are numbered on and on
    keras.utils.set_random_seed(1)
    layers = keras.layers
    made = keras.Sequential([
        keras.Input((6, 6, 1)), layers.Conv2D(2, 3, name='conv'),
        layers.BatchNormalization(name='bn'), layers.Flatten(),
        layers.Dense(units, activation='relu', name='hidden'),
        *(layers.Dense(units, name=name) for name in extra),
        layers.Dense(3, name='logits'),
    ])
    for layer in made.layers:       # the same whatever layers there are before
        if layer.name in ('hidden', 'logits'):
            layer.kernel.assign(numbered(*layer.kernel.shape))
    made.compile('adam', 'mse')
    made.optimizer.build(made.trainable_variables)
    return made


def save(made: Any, path: Path) -> bytes:
    if path.name.endswith('.weights.h5'):
        made.save_weights(path)
    else:
        made.save(path)
    return path.read_bytes()


def load(path: Path) -> Any:
    if path.name.endswith('.weights.h5'):
        made = model()
        made.load_weights(path)
        return made
    return keras.models.load_model(path, compile=path.suffix == '.keras')


def filled(made: Any, layer: str, value: float) -> Any:
    kernel = made.get_layer(layer).kernel
    kernel.assign(numpy.full(kernel.shape, value, 'f4'))
    return made


def kernel(made: Any, layer: str) -> Any:
    return numpy.unique(numpy.asarray(made.get_layer(layer).kernel)).tolist()


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_variables_have_their_names(tmp_path: Path, suffix: str) -> None:
    made = model()
    manifest = Vault(tmp_path).around(save(made, tmp_path / f'a{suffix}'))
    names = {name for name in manifest.tensors if not name.startswith('optimizer/')}
    assert names == LAYERS
    slots = set(manifest.tensors) - names
    assert {'optimizer/iteration', 'optimizer/learning_rate'} <= slots
    if suffix != '.weights.h5':
        assert len(slots) == 18 and 'optimizer/logits/kernel/velocity' in slots
    by_name = {
        f'{layer.name}/{variable.name}': variable
        for layer in made.layers for variable in layer.variables
    }
    vault = Vault(tmp_path)
    for name in names:
        value = numpy.asarray(by_name[name])
        assert vault.store.read(manifest.tensors[name].oid) == value.tobytes()


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_two_saves_differ_in_no_line_but_the_layout(
    tmp_path: Path, suffix: str,
) -> None:
    vault = Vault(tmp_path)
    one = vault.around(save(model(), tmp_path / f'a{suffix}'))
    two = vault.around(save(model(), tmp_path / f'b{suffix}'))
    assert one.tensors == two.tensors
    if suffix == '.keras':
        assert one.meta == two.meta


@pytest.mark.parametrize('suffix', SUFFIXES)
@pytest.mark.parametrize('operation, expected', [
    (('merge', '--no-edit', 'topic'), 3), (('rebase', '-q', 'topic'), 6),
])
def test_versions_meet(
    repo: Repo, suffix: str, operation: tuple[str, ...], expected: float,
) -> None:
    repo.git('model', 'track', f'*{suffix}')
    path = repo.path / f'm{suffix}'

    def step(layer: str, value: float) -> Callable[[], None]:
        def write() -> None:
            made = filled(model(), 'hidden', value)
            save(made if layer == 'hidden' else filled(made, layer, value), path)

        return write

    repo.fork(step('hidden', 0), step('conv', 2), step('logits', 4))
    repo.git(*operation)
    made = load(path)
    assert kernel(made, 'hidden') == [expected]
    assert kernel(made, 'conv') == [2] and kernel(made, 'logits') == [4]
    assert repo.status() == ''
    repo.git('revert', '--no-edit', *(() if operation[0] == 'rebase' else ('-m1',)),
             'HEAD')
    load(path)


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_one_side_adds_a_layer(repo: Repo, suffix: str) -> None:
    """Every later layer has another number in the file then; none is mistaken."""
    repo.git('model', 'track', f'*{suffix}')
    path = repo.path / f'm{suffix}'

    def put(made: Any) -> None:
        save(made, path)

    repo.fork(
        lambda: put(model()),
        lambda: put(filled(model(), 'logits', 7)),
        lambda: put(filled(model('extra'), 'extra', 5)),
    )
    repo.git('merge', '--no-edit', 'topic')
    made = load(path)
    assert kernel(made, 'extra') == [5] and kernel(made, 'logits') == [7]


def test_both_sides_change_the_config(repo: Repo) -> None:
    repo.git('model', 'track', '*.keras')
    path = repo.path / 'm.keras'

    def step(rate: float, momentum: float, value: float) -> Callable[[], None]:
        def write() -> None:
            made = filled(model(), 'hidden', value)
            made.optimizer.beta_1 = rate
            made.get_layer('bn').momentum = momentum
            save(made, path)

        return write

    repo.fork(step(.9, .99, 0), step(.8, .99, 2), step(.9, .5, 4))
    repo.git('merge', '--no-edit', 'topic')
    assert repo.status() == ''
    made = load(path)
    assert kernel(made, 'hidden') == [3]
    assert made.get_layer('bn').momentum == .5 and made.optimizer.beta_1 == .8
    repo.git('rm', '-q', '--cached', 'm.keras')
    repo.git('add', 'm.keras')
    assert repo.git('diff', '--cached', '--name-only') == ''


def test_one_key_of_the_config_changed_on_both_sides(repo: Repo) -> None:
    repo.git('model', 'track', '*.keras')
    path = repo.path / 'm.keras'

    def step(momentum: float) -> Callable[[], None]:
        def write() -> None:
            made = model()
            made.get_layer('bn').momentum = momentum
            save(made, path)

        return write

    repo.fork(step(.99), step(.9), step(.5))
    said = repo.run('git', 'merge', 'topic', code=1).err
    assert 'config.layers.bn.config.momentum: both sides changed it' in said


def test_both_sides_add_a_layer(repo: Repo) -> None:
    repo.git('model', 'track', '*.keras')
    path = repo.path / 'm.keras'

    def with_top(value: float) -> Any:
        made = model()
        made.add(keras.layers.Dense(2, name='top'))
        made.compile('adam', 'mse')
        made.optimizer.build(made.trainable_variables)
        return filled(made, 'top', value)

    repo.fork(
        lambda: put(model(), path),
        lambda: put(filled(model('extra'), 'extra', 5), path),
        lambda: put(with_top(7), path),
    )
    repo.git('merge', '--no-edit', 'topic')
    made = load(path)
    assert [layer.name for layer in made.layers][-3:] == ['extra', 'logits', 'top']
    assert kernel(made, 'extra') == [5] and kernel(made, 'top') == [7]
    assert made.predict(numpy.zeros((1, 6, 6, 1)), verbose=0).shape == (1, 2)
    assert len(made.optimizer.variables) == 2 + 2 * len(made.trainable_variables)
    assert repo.git('diff', '--no-textconv') == ''
    assert repo.status() == ''


def put(made: Any, path: Path) -> None:
    save(made, path)
