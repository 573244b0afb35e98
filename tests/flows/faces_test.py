"""What people see on a terminal, with Git's colours, width and pager."""
from __future__ import annotations

import os

import pytest

from tests.testing import terminal
from tests.testing.repository import Repo

LONG = 'a folder/model with a very long name indeed, longer than others.safetensors'
ENDLESS = 'from git_model_driver.cli import faces\nimport argparse\n' \
    'with faces.paged(argparse.Namespace(color=None), "blame") as face:\n' \
    '    for n in range(99999): print(face.paint(str(n), "diff.old"))\n'


@pytest.fixture
def two(repo: Repo) -> Repo:
    repo.save(LONG, x=[1.0], y=[2.0])
    repo.save('m.safetensors', **{'b.weight': [1.0]})
    repo.commit('models')
    return repo


def plain(text: str) -> str:
    return text.replace('\x1b[', '<').replace('<m', '>')


def test_names_fit_the_terminal_and_are_whole_in_a_pipe(two: Repo) -> None:
    two.git('config', 'color.ui', 'never')
    piped = two.git('model', 'ls-files', '-s')
    blobs = [two.git('rev-parse', f':{name}')[:10] for name in (LONG, 'm.safetensors')]
    assert piped == (
        f'{blobs[0]} * {LONG}  safetensors  2 tensors  8 B\n'
        f'{blobs[1]} * m.safetensors  safetensors  1 tensor  4 B\n'
    )
    shown = terminal.show(two.path, 'git', 'model', 'ls-files', '-s', columns=70)
    assert shown == (0, (
        f'{blobs[0]} * a folder/mode…rs.safetensors  safetensors  '
        '2 tensors  8 B\n'
        f'{blobs[1]} * m.safetensors                 safetensors  '
        ' 1 tensor  4 B\n'
    ))
    assert max(map(len, shown.text.splitlines())) == 70


def test_colours_are_those_of_the_configuration(two: Repo) -> None:
    two.save('m.safetensors', **{'b.weight': [3.0]})
    two.git('config', 'color.status.changed', 'bold blue')
    line = f'{"m.safetensors":<24}'
    painted = f'<1;34m{line}>  1 of 1 tensor changed'

    def shown(*options: str, **env: str) -> str:
        command = ('git', 'model', 'status', *options)
        return plain(terminal.show(two.path, *command, env=env).text)

    assert painted in shown()
    assert painted not in shown(NO_COLOR='1')
    assert painted in shown('--color=always', NO_COLOR='1')
    assert painted not in shown(TERM='dumb')
    assert painted not in shown('--no-color')
    assert painted in plain(two.git('model', 'status', '--color'))
    two.git('config', 'color.status', 'false')
    assert painted not in shown()
    assert painted in shown('--color=auto')
    two.git('config', 'color.status', 'always')
    assert painted in plain(two.git('model', 'status'))
    assert painted in shown(NO_COLOR='1')


def test_an_unknown_colour_is_a_wrong_command_line(two: Repo) -> None:
    done = two.run('git', 'model', 'status', '--color=blue', code=129)
    assert done.err == (
        "error: '--color' cannot be 'blue'\nhint: it is always, never or auto\n"
    )


def paged(repo: Repo, **env: str) -> terminal.Shown:
    python = os.path.join(os.environ['PATH'].split(os.pathsep)[0], 'python')
    script = ENDLESS.replace('99999', '3')
    return terminal.show(repo.path, python, '-c', script, env=env)


def test_the_pager_is_the_one_that_git_would_run(repo: Repo) -> None:
    red = ''.join(f'<31m{n}>\n' for n in range(3))

    def shown(**env: str) -> str:
        return plain(paged(repo, **env).text)

    said = 'echo $LESS $GIT_PAGER_IN_USE $COLUMNS; cat'
    assert shown(GIT_PAGER=said) == f'FRX true 80\n{red}'
    assert shown(GIT_PAGER=said, LESS='X') == f'X true 80\n{red}'
    assert shown(GIT_PAGER='cat') == shown(GIT_PAGER='') == red
    repo.git('config', 'core.pager', 'sed s/^/core/')
    environ = {key: value for key, value in os.environ.items() if key != 'GIT_PAGER'}
    del os.environ['GIT_PAGER']
    try:
        assert shown().startswith('core')
        repo.git('config', 'pager.blame', 'sed s/^/blame/')
        assert shown().startswith('blame')
        repo.git('config', 'pager.blame', 'false')
        assert shown() == red
        repo.git('config', 'pager.blame', 'true')
        assert shown().startswith('core')
        assert shown(GIT_PAGER_IN_USE='1') == red
    finally:
        os.environ.update(environ)


def test_a_reader_that_has_seen_enough_is_no_error(repo: Repo) -> None:
    python = os.path.join(os.environ['PATH'].split(os.pathsep)[0], 'python')
    shown = terminal.show(
        repo.path, python, '-c', ENDLESS, env={'GIT_PAGER': 'head -n 1'},
    )
    assert (shown.code, plain(shown.text)) == (0, '<31m0>\n')
    shown = terminal.show(
        repo.path, python, '-c', ENDLESS, typed=b'q', env={'GIT_PAGER': 'less'},
    )
    assert shown.code == 0
