"""What install writes, and that uninstall takes back just that."""
from __future__ import annotations

from pathlib import Path

import pytest

from git_model_driver.git import hooks
from git_model_driver.git import settings
from tests.testing.repository import Git

FOREIGN = '#!/bin/sh\necho a hook of somebody else\n'


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    git = Git(tmp_path / 'repo')
    git.path.mkdir()
    git.git('init', '-q')
    git.git('config', 'user.nickname', 'A "nick" name')
    monkeypatch.chdir(git.path)
    return git


def state(git: Git) -> dict[str, bytes]:
    """Everything below .git, and the settings of the user."""
    home = Path('~').expanduser()
    files = [*(git.path / '.git').rglob('*'), *home.rglob('*')]
    return {str(f): f.read_bytes() for f in files if f.is_file()}


def config(git: Git, *scope: str) -> dict[str, str]:
    out = git.git('config', *scope, '-z', '--list', code=None)
    return dict(line.split('\n', 1) for line in out.split('\0') if '\n' in line)


@pytest.mark.parametrize('scope', [['--local'], ['--global'], [], ['--file', 'x.cfg']])
def test_installing_writes_every_setting_once(git: Git, scope: list[str]) -> None:
    where = scope or ['--global']
    for _ in range(3):
        git.git('model', 'install', *scope)
        found = config(git, *where)
        assert {key: found.get(key.lower(), found.get(key)) for key in settings.SETTINGS
                } == settings.SETTINGS
        assert git.git('config', *where, '--get-all', 'filter.model.clean').count(
            '\n') == 1
    assert git.path.joinpath('.git/hooks/pre-push').read_text() == hooks.script(
        'pre-push')


def test_installing_twice_changes_nothing(git: Git) -> None:
    git.git('model', 'install', '--local')
    before = state(git)
    git.git('model', 'install', '--local')
    assert state(git) == before


@pytest.mark.parametrize('scope', ['--local', '--global'])
def test_uninstalling_leaves_what_was_there_before(git: Git, scope: str) -> None:
    git.git('config', '--global', 'core.pager', 'cat')
    before = config(git), config(git, '--global'), hook_files(git)
    git.git('model', 'install', scope)
    assert (config(git), config(git, '--global'), hook_files(git)) != before
    for _ in range(2):
        git.git('model', 'uninstall', scope)
        assert (config(git), config(git, '--global'), hook_files(git)) == before


def hook_files(git: Git) -> set[str]:
    return {file.name for file in (git.path / '.git' / 'hooks').iterdir()}


@pytest.mark.parametrize('key', sorted(
    settings.SETTINGS.keys() - settings.OPTIONAL,
))
def test_a_setting_of_somebody_else_is_not_replaced_unasked(
    git: Git, key: str,
) -> None:
    git.git('config', key, 'something else')
    before = state(git)
    done = git.run('git', 'model', 'install', '--local', code=128)
    assert done.err == (
        f"error: '{key}' is already set to 'something else'\n"
        'hint: replace it with "git model install --force"\n'
    )
    assert state(git) == before
    out = git.git('model', 'uninstall', '--local')
    assert f"Left '{key}': its value is not what install writes." in out
    assert git.git('config', key) == 'something else\n'
    git.git('model', 'install', '--local', '--force')
    assert git.git('config', key) == settings.SETTINGS[key] + '\n'


@pytest.mark.parametrize('key', sorted(settings.OPTIONAL))
def test_a_preference_of_somebody_else_stays(git: Git, key: str) -> None:
    git.git('config', key, 'something else')
    git.git('model', 'install', '--local')
    assert git.git('config', key) == 'something else\n'
    git.git('model', 'uninstall', '--local')
    assert git.git('config', key) == 'something else\n'


@pytest.mark.parametrize('text', [FOREIGN, '', hooks.script('pre-push') + 'more\n'])
def test_a_hook_of_somebody_else_is_never_touched(git: Git, text: str) -> None:
    hook = git.path / '.git' / 'hooks' / 'pre-push'
    hook.write_text(text)
    for force in ([], ['--force']):
        done = git.run('git', 'model', 'install', '--local', *force, code=1)
        said = done.out + done.err
        assert f"there is another pre-push hook, '{hook}'; it was left alone" in said
        assert '| git-model pre-push "$@" || exit 1' in said
        assert hook.read_text() == text
    git.git('model', 'uninstall', '--local')
    assert hook.read_text() == text


def test_a_hook_that_is_no_text_is_never_touched(git: Git) -> None:
    hook = git.path / '.git' / 'hooks' / 'pre-push'
    hook.write_bytes(b'\x7fELF\xff')
    git.git('model', 'install', '--local', code=1)
    git.git('model', 'uninstall', '--local')
    assert hook.read_bytes() == b'\x7fELF\xff'


def test_a_folder_of_hooks_that_others_share_is_never_touched(
    git: Git, tmp_path: Path,
) -> None:
    shared = tmp_path / 'shared hooks'
    shared.mkdir()
    git.git('config', 'core.hooksPath', str(shared))
    done = git.run('git', 'model', 'install', '--local', code=1)
    assert 'core.hooksPath puts hooks outside this repository' in done.out + done.err
    assert list(shared.iterdir()) == []


def test_a_folder_of_hooks_in_the_worktree_is_used(git: Git) -> None:
    git.git('config', 'core.hooksPath', '.githooks')
    git.git('model', 'install', '--local')
    hook = git.path / '.githooks' / 'pre-push'
    assert hook.read_text() == hooks.script('pre-push')
    assert hook.stat().st_mode & 0o111
    git.git('model', 'uninstall', '--local')
    assert not hook.exists()


def test_hooks_can_be_left_out(git: Git) -> None:
    before = hook_files(git)
    git.git('model', 'install', '--local', '--skip-repo')
    assert hook_files(git) == before


def test_the_settings_survive_the_way_through_a_shell(git: Git) -> None:
    """Every command is one line for sh, and says what to do without the program."""
    git.git('model', 'install', '--local')
    for key, value in settings.SETTINGS.items():
        if 'command -v' in value:
            command = value.replace('%f', 'x').replace('git-model', 'no-such-program')
            done = git.run('sh', '-c', command, '/dev/null', code=None, input=b'')
            assert 'syntax' not in done.err.lower(), key
            assert 'pip install' in done.err or key == 'diff.model.textconv'


def test_outside_a_repository_only_the_settings_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    git = Git(tmp_path)
    git.git('model', 'install')
    assert config(git, '--global')['filter.model.required'] == 'true'
    assert list(tmp_path.iterdir()) == []
