"""Which filter a path has: what ``git check-attr`` says of the same files."""
from __future__ import annotations

import random
from pathlib import Path

import pytest

from git_model_driver.git.filtering import Rules
from tests.testing.repository import Git

_GLOB = (
    '*', '?', 'a', 'b', '**', '/', '[ab]', '[!a]', '[^b]', '[a-c]', '\\*', '.', 'pt',
    '[[:digit:]]', '1', '[', 'x', '[]a]', '-', '!', '[\\]a]', 'A',
)
_SETTINGS = (
    'filter=model', 'filter=lfs', '-filter', '!filter', 'filter', 'binary', 'mm', '-mm',
    '!mm', 'mm filter=lfs', 'filter=lfs -mm', 'filter=lfs filter=model',
)
_NAMES = ('a', 'b', 'ab', 'x.pt', '1', '*', 'a1', '.pt', 'b.pt', '-', 'a-b', 'c', 'ax',
          '[', ']', '!', 'A', 'x y', 'é')
_FOLDERS = ('', 'a/', 'a/b/', 'b/', 'b/a/b/', 'x/', 'a/b/x/a/')


def _text(rng: random.Random, is_top: bool) -> str:
    lines = ['[attr]mm filter=model -text', '# filter=lfs', ''] if is_top else []
    for _ in range(rng.randrange(7)):
        glob = ''.join(rng.choice(_GLOB) for _ in range(rng.randint(1, 5)))
        if rng.random() < 0.2:
            glob = '"' + glob.replace('\\', '\\\\') + rng.choice(['', ' y', '\\303'])
            glob += '"'
        end = rng.choice(['', ' ', '\r'])
        lines.append(f'{glob}{rng.choice([" ", chr(9)])}{rng.choice(_SETTINGS)}{end}')
    return '\n'.join(lines) + rng.choice(['', '\n'])


@pytest.mark.parametrize('seed', range(40))
def test_it_is_what_git_says(tmp_path: Path, seed: int) -> None:
    git, rng = Git(tmp_path), random.Random(seed)
    git.git('init', '-q')
    rules = {}
    above: Rules | None = None
    for folder in _FOLDERS[:3]:
        text = _text(rng, not folder)
        git.write(f'{folder}.gitattributes', text)
        above = rules[folder] = Rules(above, folder.encode(), text.encode())
    paths = [f'{folder}{name}' for folder in _FOLDERS for name in _NAMES]
    asked = ''.join(f'{path}\0' for path in paths).encode()
    said = git.git('check-attr', '-z', '--stdin', 'filter', input=asked).split('\0')
    found = {
        path: rules[next(f for f in ('a/b/', 'a/', '') if path.startswith(f))]
        .filter_of(path.encode()).decode() for path in paths
    }
    assert found == dict(zip(said[::3], said[2::3]))
