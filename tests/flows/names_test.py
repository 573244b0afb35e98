"""Paths that trip up shells and line readers."""
from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from tests.testing import expected
from tests.testing.params import slow_unless
from tests.testing.repository import Repo

NAMES = [
    'a b.safetensors', 'интервью.safetensors', "we'ird$(x)`y`.safetensors",
    '-dash.safetensors', 'tab\t.safetensors', 'new\nline.safetensors',
    'quo"te\\back.safetensors', '*[a]?.safetensors', ':(top)x.safetensors',
    'a=b;c&d|e #f!.safetensors', '%O %P.safetensors', 'dir é/- x/m.safetensors',
]
latin = b'caf\xe9.safetensors'.decode('utf-8', 'surrogateescape')
WORST = '-dash.safetensors', 'new\nline.safetensors', 'quo"te\\back.safetensors', latin
ALL = slow_unless(WORST.__contains__, [*NAMES, latin])


def printed(name: str) -> str:
    """As it is, but for what would move the cursor of a terminal."""
    return ''.join(f'\\u{ord(c):04x}' if c < ' ' else c for c in name)


@pytest.mark.parametrize('name', ALL, ids=ascii)
@pytest.mark.usefixtures('everywhere')
def test_a_model_of_any_name_lives_a_whole_life(
    repo: Repo, tmp_path: Path, name: str,
) -> None:
    repo.git('config', 'core.quotePath', 'false')
    repo.diverge(*({'x': x} for x in (1.0, 2.0, 4.0)), name=name)
    assert repo.status() == ''
    assert repo.manifest(name) == expected.manifest(x=2.0)
    patch = repo.git('diff', 'main~1', 'main')
    assert f'-{expected.shown("x", 1.0)}+{expected.shown("x", 2.0)}' in patch
    repo.save(name, x=3.0)
    assert f'+{expected.shown("x", 3.0)}' in repo.git('diff')
    repo.git('checkout', '-q', '--', '.')
    repo.git('merge', '-q', 'topic', '-m', 'merged')
    assert repo.load(name) == {'x': 3.0}
    assert repo.status() == ''

    listed = repo.git('model', 'ls-files', '--name-only')
    assert listed == f'{printed(name)}\n'
    copy = repo.clone(tmp_path / 'copy')
    assert copy.sha256(name) == repo.sha256(name)
    assert copy.status() == ''
    copy.write(name, expected.manifest(x=3.0))
    copy.git('model', 'checkout', '--', f'./{name}')
    assert copy.load(name) == {'x': 3.0}


@pytest.mark.parametrize('name', ALL, ids=ascii)
def test_a_conflict_in_a_model_of_any_name_can_be_settled(
    repo: Repo, name: str,
) -> None:
    repo.diverge(*({'x': numpy.array([x])} for x in (1, 2, 4)), name=name)
    done = repo.run('git', 'merge', '-q', 'topic', code=1)
    assert 'Traceback' not in done.err
    assert f'{printed(name)}: 1 conflict\n' in done.err
    done = repo.run('git', 'add', '.', code=128)
    assert f"error: '{printed(name)}' has 1 conflict left to settle\n" in done.err
    repo.git('model', 'resolve', '--theirs', '--', f'./{name}')
    repo.git('commit', '-q', '-m', 'merged')
    assert repo.load(name) == {'x': [4]}
    assert repo.status() == ''
