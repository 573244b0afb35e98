"""What users of a framework do first: presets, shards, looking at a diff."""
from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from git_model_driver.formats.presets import PRESETS
from tests.testing.models import npy
from tests.testing.repository import Repo


@pytest.mark.parametrize('preset', PRESETS)
def test_a_preset_writes_its_patterns(repo: Repo, preset: str) -> None:
    before = len(repo.read('.gitattributes').splitlines())
    said = repo.run('git', 'model', 'track', '--preset', preset, '--dry-run').out
    assert len(said.splitlines()) == len(PRESETS[preset])
    assert len(repo.read('.gitattributes').splitlines()) == before
    repo.git('model', 'track', '--preset', preset)
    lines = repo.read('.gitattributes').decode().splitlines()
    for pattern in PRESETS[preset]:
        assert f'{pattern} filter=model diff=model merge=model -text' in lines
    assert ('config.json merge=model-json' in lines) == (preset == 'huggingface')
    again = repo.git('model', 'track', '--preset', preset)
    assert again.count('is tracked already') == len(PRESETS[preset])


def test_models_that_are_not_tracked_are_named(repo: Repo) -> None:
    (repo.path / 'a').mkdir()
    for name in ('a/w.npy', 'b.npy', 'no model.pt'):
        repo.write(name, npy(numpy.arange(3.)) if name.endswith('npy') else b'text')
    said = repo.run('git', 'model', 'track')
    assert said.err == (
        'hint: not tracked: a/w.npy, b.npy\n'
        'hint: to track such: git model track --preset numpy\n'
    )
    repo.git('model', 'track', '--preset', 'numpy')
    assert repo.run('git', 'model', 'track').err == ''


def test_an_unknown_preset_is_a_usage_error(repo: Repo) -> None:
    assert 'nosuch' in repo.run(
        'git', 'model', 'track', '--preset', 'nosuch', code=129).err


def shards(repo: Repo, first: float, second: float, *more: str) -> None:
    """A model in two files, with the index that transformers writes."""
    files = {'a.weight': 1, 'b.weight': 2, **dict.fromkeys(more, 2)}
    values = {'a.weight': first, 'b.weight': second}
    for i in (1, 2):
        save_file({
            name: numpy.full(4, values.get(name, 9), 'f4')
            for name, file in files.items() if file == i
        }, repo.path / f'model-0000{i}-of-00002.safetensors')
    index = {
        'metadata': {'total_size': 16 * len(files)},
        'weight_map': {n: f'model-0000{i}-of-00002.safetensors'
                       for n, i in files.items()},
    }
    text = json.dumps(index, indent=2, sort_keys=True)
    repo.write('model.safetensors.index.json', f'{text}\n')


def loaded(path: Path) -> dict[str, float]:
    """As transformers does it: by the index."""
    index = json.loads((path / 'model.safetensors.index.json').read_text())
    return {
        name: float(load_file(path / file)[name][0])
        for name, file in index['weight_map'].items()
    }


@pytest.mark.parametrize('operation, expected', [
    (('merge', '--no-edit', 'topic'), 3.), (('rebase', '-q', 'topic'), 6.),
])
def test_sharded_models_meet(
    repo: Repo, operation: tuple[str, ...], expected: float,
) -> None:
    repo.git('model', 'track', '--preset', 'huggingface')
    repo.fork(
        lambda: shards(repo, 0, 0), lambda: shards(repo, 2, 0, 'ours.weight'),
        lambda: shards(repo, 4, 7, 'theirs.weight'),
    )
    repo.git(*operation)
    assert loaded(repo.path) == {
        'a.weight': expected, 'b.weight': 7, 'ours.weight': 9, 'theirs.weight': 9,
    }
    index = json.loads(repo.read('model.safetensors.index.json'))
    assert index['metadata']['total_size'] == 64
    assert repo.status() == ''


@pytest.mark.filterwarnings('ignore')      # Keras' own
def test_a_config_in_a_model_is_compared_line_by_line(repo: Repo) -> None:
    keras = pytest.importorskip('tests.formats.keras_test')
    repo.git('model', 'track', '*.keras', '*.h5')
    for units in (8, 9):
        for suffix in ('.keras', '.h5'):
            keras.save(keras.model(units=units), repo.path / f'm{suffix}')
        repo.commit(f'{units}')
    for file, key in (('m.keras', 'config.json'), ('m.h5', '@model_config')):
        said = repo.git('show', file)
        assert f'-meta "{key}" config.layers.hidden.config.units 8\n' in said
        assert f'+meta "{key}" config.layers.hidden.config.units 9\n' in said
        assert 'layers.logits.config.units 3\n' not in said.replace(' meta', '')
