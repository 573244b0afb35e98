"""Version control of a linear regression, y = w x + b, from training to rollback.

    python examples/linear_regression/demo.py [--keep]

Everything happens in a throw-away repository, with plain Git, and every number is
checked; the exit code is 1 if one is not what it should be. It needs NumPy and
git-model. No settings of yours are read or changed.
"""
from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy

MODEL = 'cars.npz'
# Speed (miles per hour) and stopping distance (feet) of 50 cars, recorded in the
# 1920s: M. Ezekiel, Methods of Correlation Analysis, Wiley 1930; `cars` in R.
SPEED = numpy.array([
    4, 4, 7, 7, 8, 9, 10, 10, 10, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14,
    14, 15, 15, 15, 16, 16, 17, 17, 17, 18, 18, 18, 18, 19, 19, 19, 20, 20, 20, 20, 20,
    22, 23, 24, 24, 24, 24, 25,
], numpy.float64)
DISTANCE = numpy.array([
    2, 10, 4, 22, 16, 10, 18, 26, 34, 17, 28, 14, 20, 24, 28, 26, 34, 34, 46, 26, 36,
    60, 80, 20, 26, 54, 32, 40, 32, 40, 50, 42, 56, 76, 84, 36, 46, 68, 32, 48, 52, 56,
    64, 66, 54, 70, 92, 93, 120, 85,
], numpy.float64)
# Ann and Bob have every other car each.
ALL, ANN, BOB = slice(None), slice(0, None, 2), slice(1, None, 2)


class Line(NamedTuple):
    """The model: distance = w * speed + b."""

    w: float
    b: float

    def error(self) -> float:
        """The mean squared error over all cars."""
        return float(numpy.mean((self.w * SPEED + self.b - DISTANCE) ** 2))

    def __str__(self) -> str:
        sign = '-' if self.b < 0 else '+'
        return (f'distance = {self.w:.6f} * speed {sign} {abs(self.b):.6f}'
                f'   (mean squared error {self.error():.3f})')


def train(line: Line, cars: slice, steps: int) -> Line:
    """Gradient descent on these cars, in steps of 0.003."""
    x, y = SPEED[cars], DISTANCE[cars]
    w, b = line
    for _ in range(steps):
        off = w * x + b - y
        w, b = w - 0.003 * numpy.mean(off * x), b - 0.003 * numpy.mean(off)
    return Line(float(w), float(b))


class Story:
    """A repository, what was typed in it, and what did not come out right."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failures = 0
        self.environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith('GIT_')
        }
        # The git-model of the Python that runs this, and nobody's settings.
        self.environment.update({
            'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
            'GIT_CONFIG_GLOBAL': os.devnull, 'GIT_CONFIG_NOSYSTEM': '1',
            'GIT_TERMINAL_PROMPT': '0', 'GIT_EDITOR': 'true', 'GIT_PAGER': 'cat',
        })

    def say(self, text: str) -> None:
        print(f'\n# {text}', flush=True)

    def git(self, *args: str) -> None:
        """Show a command, then what it prints; a failure ends the story."""
        print('$ git ' + ' '.join(map(_quoted, args)), flush=True)
        code = subprocess.run(
            ('git', *args), cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
        ).returncode
        if code:
            sys.exit(f'error: git {args[0]} failed with exit code {code}')

    def ask(self, *args: str) -> str:
        """What a git command prints, without showing it."""
        return subprocess.run(
            ('git', *args), cwd=self.folder, env=self.environment, check=True,
            capture_output=True, text=True,
        ).stdout.strip()

    def check(self, what: str, right: bool) -> None:
        print(f'{"ok" if right else "NOT OK"}: {what}', flush=True)
        self.failures += not right

    def save(self, line: Line, message: str) -> Line:
        """Write the model and commit it."""
        numpy.savez(self.folder / MODEL, w=[line.w], b=[line.b])
        print(f'trained: {line}', flush=True)
        self.git('commit', '--quiet', '--all', '--message', message)
        return line

    def load(self) -> Line:
        """The model in the worktree, as NumPy reads it."""
        with numpy.load(self.folder / MODEL) as arrays:
            return Line(arrays['w'].item(), arrays['b'].item())

    def sha256(self) -> str:
        return hashlib.sha256((self.folder / MODEL).read_bytes()).hexdigest()


def _quoted(word: str) -> str:
    return f'"{word}"' if set(word) & set(' *') else word


def begin(story: Story) -> Line:
    story.say('A new repository that keeps .npz files tensor by tensor.')
    story.git('init', '--quiet', '--initial-branch=main')
    story.git('config', 'user.name', 'Ann')
    story.git('config', 'user.email', 'ann@example.com')
    story.git('model', 'install', '--local')
    story.git('model', 'track', '*.npz')

    story.say('Train on all cars, briefly, and commit the model.')
    numpy.savez(story.folder / MODEL, w=[0.0], b=[0.0])
    story.git('add', '.')
    first = story.save(train(Line(0.0, 0.0), ALL, 20), 'all cars, 20 steps')
    story.say('What Git keeps is a manifest: one line for each tensor.')
    story.git('show', '--no-textconv', f'HEAD:{MODEL}')
    return first


def diverge(story: Story, first: Line) -> tuple[Line, Line]:
    story.say("On a branch, train on with Ann's half of the cars.")
    story.git('checkout', '--quiet', '-b', 'ann')
    ann = story.save(train(first, ANN, 20000), "Ann's cars, 20000 steps")
    story.say("On main, train on with Bob's half of the cars.")
    story.git('checkout', '--quiet', 'main')
    story.check('checkout brings the first model back', story.load() == first)
    bob = story.save(train(first, BOB, 20000), "Bob's cars, 20000 steps")

    story.say('git diff shows which tensors changed, and how.')
    story.git('diff', 'main', 'ann')
    return bob, ann


def merge(story: Story, bob: Line, ann: Line) -> Line:
    story.say('git merge takes the mean of what both sides changed.')
    story.git('merge', '--no-edit', 'ann')
    merged = story.load()
    print(f'bob:     {bob}\nann:     {ann}\nmerged:  {merged}')
    story.check(f'w is ({bob.w!r} + {ann.w!r}) / 2', merged.w == (bob.w + ann.w) / 2)
    story.check(f'b is ({bob.b!r} + {ann.b!r}) / 2', merged.b == (bob.b + ann.b) / 2)
    story.check('it fits all cars better than either',
                merged.error() < min(bob.error(), ann.error()))
    story.check('the worktree is clean', story.ask('status', '--porcelain') == '')
    return merged


def roll_back(story: Story, first: Line, merged: Line, sha256: dict[str, str]) -> None:
    story.say('Roll back to the first model, and forth again.')
    story.git('checkout', 'main~2', '--', MODEL)
    story.check('w and b are those of the first commit', story.load() == first)
    story.check(f'sha256 {sha256["first"]}', story.sha256() == sha256['first'])
    story.git('checkout', 'main', '--', MODEL)
    story.check('w and b are those of the merge', story.load() == merged)
    story.check(f'sha256 {sha256["merged"]}', story.sha256() == sha256['merged'])


def rebase(story: Story, first: Line, merged: Line) -> None:
    story.say('A branch from the first commit: 500 more steps on all cars.')
    story.git('checkout', '--quiet', '-b', 'longer', 'main~2')
    longer = story.save(train(first, ALL, 500), 'all cars, 500 steps more')
    story.say('git rebase carries its change over: main + (longer - first).')
    story.git('rebase', '--quiet', 'main')
    rebased = story.load()
    print(f'rebased: {rebased}')
    story.check('w is main + (longer - first)',
                rebased.w == merged.w + (longer.w - first.w))
    story.check('b is main + (longer - first)',
                rebased.b == merged.b + (longer.b - first.b))


def end(story: Story, sha256: dict[str, str]) -> None:
    story.say('The history, and a last look at every model in it.')
    story.git('log', '--graph', '--format=%s', '--all')
    for name, revision in (('first', 'main~2'), ('merged', 'main')):
        story.git('checkout', '--quiet', '--detach', revision)
        story.check(f'the {name} model, byte for byte', story.sha256() == sha256[name])
    story.git('model', 'fsck')


def tell(story: Story) -> None:
    first = begin(story)
    sha256 = {'first': story.sha256()}
    bob, ann = diverge(story, first)
    merged = merge(story, bob, ann)
    sha256['merged'] = story.sha256()
    roll_back(story, first, merged, sha256)
    rebase(story, first, merged)
    end(story, sha256)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--keep', action='store_true', help='keep the repository')
    keep = parser.parse_args().keep
    folder = Path(tempfile.mkdtemp(prefix='git-model-demo-')).resolve()
    story = Story(folder)
    try:
        tell(story)
    finally:
        if keep:
            print(f"\nThe repository is '{folder}'.")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f'\n{story.failures} checks failed.' if story.failures
          else '\nAll checks passed.')
    return 1 if story.failures else 0


if __name__ == '__main__':
    sys.exit(main())
