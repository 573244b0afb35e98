"""Networks trained on different digits, merged by plain git merge: a table.

Usage: python run.py [seeds], with git-model-driver, safetensors and scikit-learn.
"""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy
from network import accuracy
from network import fisher
from network import made
from network import train
from safetensors.numpy import load_file
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

from git_model_driver.merging.methods import names

MODEL, FISHER = 'm.safetensors', 'm.fisher.safetensors'
Data = tuple[Any, Any]
# What a method has no default for, and a density for those that drop elements.
DENSITY = ('model.density=0.5',)
PARAMETERS = {
    'nearswap': ('model.t=0.01',), 'ties': DENSITY, 'dare_linear': DENSITY,
    'dare_ties': DENSITY, 'breadcrumbs': ('model.density=0.9',),
    'breadcrumbs_ties': ('model.density=0.9',),
}


class Repository:
    """A repository of its own, with nobody's settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        who = {f'GIT_{role}_{what}': 'digits@example.org' for role in (
            'AUTHOR', 'COMMITTER') for what in ('NAME', 'EMAIL')}
        scripts = str(Path(sys.executable).parent)
        path = os.pathsep.join((scripts, os.environ['PATH']))
        self.environment = {
            **os.environ, **who, 'HOME': str(folder), 'GIT_CONFIG_NOSYSTEM': '1',
            'XDG_CONFIG_HOME': str(folder), 'PATH': path,
        }
        self.git('init', '-q', '-b', 'main', '.')
        self.git('model', 'install', '--local')
        self.git('model', 'track', '*.safetensors')

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ('git', *words), cwd=self.folder, env=self.environment, text=True,
            capture_output=True,
        )
        if done.returncode:
            sys.exit(f'git {" ".join(words)}: {done.stderr}')
        return done.stdout

    def commit(self, model: dict[str, Any], data: Data) -> None:
        save_file(model, self.folder / MODEL)
        save_file(fisher(model, *data), self.folder / FISHER)
        self.git('add', '.')
        self.git('commit', '-q', '-m', 'train')

    def model(self) -> dict[str, Any]:
        return dict(load_file(self.folder / MODEL))


def split(seed: int) -> tuple[Data, Data]:
    """Two thirds to train, one to test."""
    digits = load_digits()
    order = numpy.random.default_rng(seed).permutation(len(digits.data))
    x, y = (digits.data[order] / 16).astype('f4'), digits.target[order]
    return (x[:1200], y[:1200]), (x[1200:], y[1200:])


def of_classes(data: Data, low: int, high: int) -> Data:
    kept = (data[1] >= low) & (data[1] <= high)
    return data[0][kept], data[1][kept]


def branches(seed: int, folder: Path) -> dict[str, float]:
    """Base on a few pictures; a branch for 0-4 and one for 5-9; every way to merge."""
    data, test = split(seed)
    few = data[0][:150], data[1][:150]
    repo = Repository(folder)
    base = train(made(seed), *few, 20, seed)
    repo.commit(base, few)
    found = {'base': accuracy(base, *test)}
    joint = train(base, *data, 10, seed)
    found['joint'] = accuracy(joint, *test)
    sides = {'low': of_classes(data, 0, 4), 'high': of_classes(data, 5, 9)}
    for name, part in sides.items():
        repo.git('checkout', '-q', '-b', name, 'main')
        model = base
        for step in range(3):       # three commits each
            model = train(model, *part, 2, seed + step, .02)
            repo.commit(model, part)
        found[name] = accuracy(model, *test)
    for method in names():
        repo.git('checkout', '-q', '-B', 'merged', 'low')
        said = method, *PARAMETERS.get(method, ())
        pairs = f'model.merge={method}', *said[1:]
        options = [word for pair in pairs for word in ('-c', pair)]
        repo.git(*options, 'merge', '-q', '--no-edit', 'high')
        found[f'merge {" ".join(said)}'] = accuracy(repo.model(), *test)
    return {**found, 'rebase': rebased(repo, base, test)}


def rebased(repo: Repository, base: dict[str, Any], test: Data) -> float:
    """high on low: low and the sum of what high's commits changed, but for rounding."""
    models = {}
    for name in ('low', 'high'):
        repo.git('checkout', '-q', name)
        models[name] = repo.model()
    repo.git('rebase', '-q', 'low')
    result = repo.model()
    for name, array in result.items():
        low, high = (models[side][name].astype('f8') for side in ('low', 'high'))
        wanted = low + (high - base[name])
        off = abs(array - wanted).max()
        assert off <= 6 * 2.0 ** -24 * max(1, abs(wanted).max()), (name, off)
    return accuracy(result, *test)


def apart(seed: int, folder: Path) -> dict[str, float]:
    """Two trainings from different beginnings, with and without alignment."""
    data, test = split(seed)
    repo = Repository(folder)
    models = [train(made(seed + 100 * i), *data, 30, seed + i) for i in (1, 2)]
    repo.commit(models[0], data)
    repo.git('checkout', '-q', '--orphan', 'other')
    repo.commit(models[1], data)
    found = {f'training {i}': accuracy(m, *test) for i, m in enumerate(models, 1)}
    merge = 'merge', '-q', '--no-edit', '--allow-unrelated-histories', 'other'
    for words in ('merge=linear', 'align=permutation'):
        repo.git('checkout', '-q', '-B', 'merged', 'main')
        repo.git('-c', f'model.{words}', *merge)
        found[f'{words}'] = accuracy(repo.model(), *test)
    return found


def table(title: str, runs: list[dict[str, float]]) -> str:
    lines = [f'| {title} | accuracy, % |', '|---|---|']
    for name in runs[0]:
        values = numpy.array([run[name] for run in runs])
        lines.append(f'| {name} | {values.mean():.1f} +- {values.std():.1f} |')
    return '\n'.join(lines)


def main(seeds: int) -> None:
    for title, story in (('different digits', branches), ('trained apart', apart)):
        runs = []
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(story(seed, Path(folder)))
        print(f'{table(title, runs)}\n')


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
