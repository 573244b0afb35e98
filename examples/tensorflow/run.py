"""A linear regression of TensorFlow 1 and a Keras model under version control.

    python examples/tensorflow/run.py

Everything happens in a throw-away repository, with plain Git, and every number is
checked; the exit code is 1 if one is not what it should be. No settings of yours
are read or changed.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '0')

import numpy
import tensorflow as tf

v1 = tf.compat.v1
X, Y = [1., 2., 3., 4.], [0., -1., -2., -3.]
Weights = dict[str, Any]
CHECKPOINT, SAVED, KERAS, H5, EXPORTED = (
    'linear', 'linear.saved', 'model.keras', 'model.h5', 'model.exported',
)


class Story:
    """A repository, what was typed in it, and what did not come out right."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failures = 0
        self.environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith('GIT_')
        } | {
            'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
            'GIT_CONFIG_GLOBAL': os.devnull, 'GIT_CONFIG_NOSYSTEM': '1',
            'GIT_EDITOR': 'true', 'GIT_PAGER': 'cat', 'HOME': str(folder.parent),
        }

    def git(self, *args: str) -> None:
        """Show a command, then what it prints; a failure ends the story."""
        print('$ git ' + ' '.join(args), flush=True)
        subprocess.run(('git', *args), cwd=self.folder, env=self.environment,
                       stderr=subprocess.STDOUT, check=True)

    def check(self, what: str, found: Any, expected: Any) -> None:
        same = all(
            numpy.array_equal(found[name], expected[name]) for name in expected
        )
        print(f'{"ok" if same else "NOT OK"}: {what}', flush=True)
        self.failures += not same


# --- TensorFlow 1: a graph, a session, an optimizer ---------------------------

def linear_regression() -> tuple[Any, Any, Any]:
    """The graph: input, prediction, and a step of the optimizer."""
    weight = v1.get_variable('weight', initializer=tf.constant([.3]))
    bias = v1.get_variable('bias', initializer=tf.constant([-.3]))
    x, y = v1.placeholder(tf.float32), v1.placeholder(tf.float32)
    prediction = weight * x + bias
    loss = tf.reduce_sum(tf.square(prediction - y))
    step = v1.train.GradientDescentOptimizer(.01).minimize(loss)
    return x, prediction, lambda session: session.run(step, {x: X, y: Y})


def train_graph(folder: Path, steps: int, resume: bool = True) -> None:
    """Train the checkpoint further, and save it as that and as a SavedModel."""
    shutil.rmtree(folder / SAVED, ignore_errors=True)
    with tf.Graph().as_default(), v1.Session() as session:
        x, prediction, step = linear_regression()
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver()
        if resume:
            saver.restore(session, str(folder / CHECKPOINT))
        for _ in range(steps):
            step(session)
        saver.save(session, str(folder / CHECKPOINT), write_state=False)
        v1.saved_model.simple_save(
            session, str(folder / SAVED), {'x': x}, {'prediction': prediction})


def graph_weights(folder: Path) -> Weights:
    """The variables, as TensorFlow restores them from the checkpoint."""
    with tf.Graph().as_default(), v1.Session() as session:
        linear_regression()
        v1.train.Saver().restore(session, str(folder / CHECKPOINT))
        return {v.op.name: session.run(v) for v in v1.global_variables()}


def saved_weights(folder: Path) -> Weights:
    """The same, as TensorFlow loads them from the SavedModel."""
    with tf.Graph().as_default(), v1.Session() as session:
        v1.saved_model.load(session, ['serve'], str(folder / SAVED))
        return {v.op.name: session.run(v) for v in v1.global_variables()}


# --- Keras --------------------------------------------------------------------

def network() -> Any:
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(7)
    layers = tf.keras.layers
    model = tf.keras.Sequential([
        tf.keras.Input((1,)), layers.Dense(4, activation='tanh', name='hidden'),
        layers.Dense(1, name='out'),
    ])
    model.compile(tf.keras.optimizers.SGD(.05), tf.keras.losses.MeanSquaredError())
    return model


def train_network(folder: Path, steps: int, resume: bool = True) -> None:
    """Train the model further, and save it in three formats."""
    model = tf.keras.models.load_model(folder / KERAS) if resume else network()
    x, y = numpy.array(X)[:, None], numpy.array(Y)[:, None]
    model.fit(x, y, epochs=steps, shuffle=False, verbose=0)
    model.save(folder / KERAS)
    model.save(folder / H5)
    shutil.rmtree(folder / EXPORTED, ignore_errors=True)
    model.export(folder / EXPORTED, verbose=False)


def keras_weights(folder: Path, name: str) -> Weights:
    model = tf.keras.models.load_model(folder / name, compile=False)
    return {
        f'{layer.name}/{v.name}': v.numpy() for layer in model.layers
        for v in layer.weights
    }


def exported_output(folder: Path) -> Any:
    """What the exported model answers."""
    loaded = tf.saved_model.load(str(folder / EXPORTED))
    return loaded.serve(tf.constant(X)[:, None]).numpy()


def answer(weights: Weights) -> Any:
    """What a network of these weights answers."""
    model = network()
    for layer in model.layers:
        layer.set_weights([weights[f'{layer.name}/{v.name}'] for v in layer.weights])
    return model(tf.constant(X)[:, None]).numpy()


# --- The story ----------------------------------------------------------------

def mean(one: Weights, other: Weights) -> Weights:
    half = numpy.float32(.5)
    return {name: one[name] * half + other[name] * half for name in one}


def replayed(base: Weights, change: Weights, onto: Weights) -> Weights:
    return {name: onto[name] + (change[name] - base[name]) for name in onto}


def tell(
    story: Story, train: Callable[..., None], load: Callable[[Path], Weights],
    compare: Callable[[Story, str, Weights], None], name: str,
) -> None:
    """Commit, train on two branches, merge, rebase, roll back."""
    print(f'\n# {name}', flush=True)
    train(story.folder, 20, resume=False)
    story.git('add', '.')
    story.git('commit', '-qm', f'{name}: first model')
    base = load(story.folder)
    story.git('checkout', '-qb', f'{name}-ann')
    train(story.folder, 10)
    story.git('commit', '-qam', f'{name}: Ann trains 10 steps')
    ann = load(story.folder)
    story.git('checkout', '-q', '-')
    train(story.folder, 40)
    story.git('commit', '-qam', f'{name}: 40 steps on main')
    main = load(story.folder)
    story.git('tag', f'{name}-before')
    story.git('merge', '--no-edit', f'{name}-ann')
    compare(story, 'the merge is the mean of the two', mean(main, ann))
    story.git('reset', '-q', '--hard', f'{name}-before')
    compare(story, 'reset rolls back', main)
    story.git('checkout', '-q', f'{name}-ann')
    story.git('rebase', '-q', f'{name}-before')
    compare(story, "the rebase is Ann's change upon main", replayed(base, ann, main))
    story.git('checkout', '-q', 'main')
    story.git('revert', '--no-edit', 'HEAD')
    compare(story, 'the revert takes it back', base)
    story.git('status', '--short')


def compare_graph(story: Story, what: str, expected: Weights) -> None:
    story.check(f'{what}, in the checkpoint', graph_weights(story.folder), expected)
    story.check(f'{what}, in the SavedModel', saved_weights(story.folder), expected)


def compare_network(story: Story, what: str, expected: Weights) -> None:
    for name in (KERAS, H5):
        story.check(f'{what}, in {name}', keras_weights(story.folder, name), expected)
    found = exported_output(story.folder)
    close = numpy.allclose(found, answer(expected), rtol=1e-5, atol=1e-6)
    story.check(f'{what}, in {EXPORTED}', {'': close}, {'': True})


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        story = Story(Path(scratch) / 'repository')
        story.folder.mkdir()
        story.git('init', '-q', '-b', 'main')
        story.git('config', 'user.name', 'Ann')
        story.git('config', 'user.email', 'ann@example.org')
        story.git('model', 'install', '--local')
        story.git('model', 'track', '--preset', 'tensorflow')
        tell(story, train_graph, graph_weights, compare_graph, 'graph')
        tell(
            story, train_network, lambda folder: keras_weights(folder, KERAS),
            compare_network, 'keras',
        )
    failures = story.failures
    print(f'\n{failures} checks failed.' if failures else '\nAll checks passed.')
    return min(story.failures, 1)


if __name__ == '__main__':
    sys.exit(main())
