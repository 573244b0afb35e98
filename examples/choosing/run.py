"""Which version is fit for production: cross-validated, tagged, and made a soup of.

Usage: python run.py, with git-model-driver[evaluate] and safetensors. Everything
happens in throw-away repositories; the exit code is 1 if a check does not hold.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / 'digits'), str(HERE.parent / 'linear_regression')]

import numpy  # noqa: E402
from demo import ANN  # noqa: E402
from demo import Line  # noqa: E402
from demo import train as train_line  # noqa: E402
from network import made  # noqa: E402
from network import train  # noqa: E402

RULES = '''\
[model-eval "{name}"]
    python = judge:{name}
    folds = 5
    {more}
'''


class Story:
    """A repository of its own, and what was typed in it."""

    def __init__(self, folder: Path, name: str, more: str, *files: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        who = {f'GIT_{role}_{what}': 'choosing@example.org' for role in (
            'AUTHOR', 'COMMITTER') for what in ('NAME', 'EMAIL')}
        scripts = str(Path(sys.executable).parent)
        kept = {k: v for k, v in os.environ.items() if not k.startswith('GIT_')}
        self.environment = {
            **kept, **who, 'HOME': str(folder), 'GIT_CONFIG_NOSYSTEM': '1',
            'XDG_CONFIG_HOME': str(folder), 'XDG_DATA_HOME': str(folder),
            'PATH': os.pathsep.join((scripts, os.environ['PATH'])),
        }
        self.type('init', '-q', '-b', 'main', '.')
        self.type('model', 'install', '--local')
        self.type('model', 'track', '*.npz', '*.safetensors')
        for file in ('choosing/judge.py', *files):
            shutil.copy(HERE.parent / file, self.folder)
        (self.folder / '.gitmodel').write_text(RULES.format(name=name, more=more))

    def type(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            ('git', *words), cwd=self.folder, env=self.environment, text=True,
            capture_output=True,
        )
        if done.returncode not in codes:
            sys.exit(f'git {" ".join(words)}: {done.stderr}')
        return done.stdout + done.stderr

    def show(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        print(f'\n$ git {" ".join(words)}')
        said = self.type(*words, codes=codes)
        print(said, end='')
        return said

    def begin(self, branch: str) -> None:
        if branch != 'main':
            self.type('checkout', '-q', '-b', branch, 'main')

    def commit(self, message: str) -> None:
        self.type('add', '.')
        self.type('commit', '-q', '-m', message)

    def allow(self) -> None:
        """What the repository wants to run is read, then allowed."""
        said = self.show('model', 'evaluate', codes=(128,))
        found = re.search(r'--allow=\w+', said)
        self.show('model', 'evaluate', found[0] if found else '')


def cars(folder: Path) -> bool:
    """A line through Ann's cars, after 20 steps, 2000, and 2000 from elsewhere."""
    story = Story(
        folder, 'cars', 'direction = min', 'linear_regression/demo.py',
    )
    for branch, begin, steps in (
        ('main', Line(0.0, 0.0), 20), ('longer', Line(0.0, 0.0), 2000),
        ('elsewhere', Line(0.0, 20.0), 200),
    ):
        story.begin(branch)
        line = train_line(begin, ANN, steps)
        numpy.savez(story.folder / 'cars.npz', w=line.w, b=line.b)
        story.commit(f'{steps} steps')
    story.allow()
    said = story.show(
        'model', 'best', 'main', 'longer', 'elsewhere', '--tag=production',
        codes=(0, 1),
    )
    return 'squared_error (less is better)' in said and "as 'production'" in said


def digits(folder: Path) -> bool:
    """A network, and three branches that were trained on in different ways."""
    from safetensors.numpy import save_file
    from sklearn.datasets import load_digits

    more = 'split = stratified\n    depends = held_out'
    story = Story(folder, 'digits', more, 'digits/network.py')
    found = load_digits()
    order = numpy.random.default_rng(0).permutation(len(found.data))
    x, y = (found.data[order] / 16).astype('f4'), found.target[order]
    with open(story.folder / 'held_out', 'wb') as file:
        numpy.savez(file, x=x[1200:], y=y[1200:])
    x, y = x[:1200], y[:1200]
    base: dict[str, Any] = train(made(0), x[:300], y[:300], 20, 0)
    branches = {
        'main': base, 'fast': train(base, x, y, 20, 1, .2),
        'slow': train(base, x, y, 20, 2, .02), 'usual': train(base, x, y, 20, 3),
    }
    for branch, model in branches.items():
        story.begin(branch)
        save_file(model, story.folder / 'digits.safetensors')
        story.commit(branch)
    story.allow()
    story.type('tag', 'production', 'main')
    said = story.show('model', 'best', 'fast', 'slow', 'usual', '--tag=production')
    story.type('checkout', '-q', '-b', 'soup', 'fast')
    story.show('model', 'merge', '--greedy', 'slow', 'usual', codes=(0, 1))
    soup = story.show('model', 'merge', '--uniform', 'slow', '-e', 'digits')
    story.show('model', 'best', 'soup', '--tag=production', codes=(0, 1))
    return 'is better than' in said and 'had no part in the choice' in soup


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        held = [story(Path(folder)) for story in (cars, digits)]
    print('\nAll checks passed.' if all(held) else '\nNOT OK')
    return 0 if all(held) else 1


if __name__ == '__main__':
    sys.exit(main())
