"""What install writes, and that uninstall takes back just that."""
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from git_model_driver.git import hooks
from git_model_driver.git import settings
from tests.testing import gits
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


def state(git: Git) -> dict[str, tuple[int, bytes | None]]:
    """Everything in the repository and in the user's home."""
    return {
        str(f): (f.lstat().st_mode, f.read_bytes() if f.is_file() else None)
        for place in (git.path, Path('~').expanduser()) for f in place.rglob('*')
    }


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


def test_installing_twice_changes_nothing(git: Git) -> None:
    git.git('model', 'install', '--local')
    before = state(git)
    git.git('model', 'install', '--local')
    assert state(git) == before


BEFORE = {
    'none': None,
    'empty': '',
    'settings': '[core]\n\tpager = cat\n',
    'with no end': '[core]\n\tpager = cat',
    'a comment at the end': '[core]\n\tpager = cat\n# [alias]\n#\tst = status\n',
    'blank lines': '\n[core]\n\n\tpager = cat\n\n\n',
    'pull': '[pull]\n\trebase = true\n[core]\n\tpager = cat\n',
    'pull with a comment': '[pull]\n\t# mine\n[core] ; and\n  pager=cat\n',
    'pull last, with no end': '[pull]\n\trebase = true',
    'filters': '[filter "lfs"]\n\tclean = git-lfs clean -- %f\n'
               '[merge "models"]\n\tdriver = x\n[hook "mine"]\n\tcommand = y\n',
}
SCOPES = ('--local', '--global', '--worktree', '--file=x.cfg')


@pytest.mark.parametrize('which', ['old', 'new'])
@pytest.mark.parametrize('scope', SCOPES)
def test_uninstalling_leaves_what_was_there_before(
    git: Git, scope: str, which: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    gits.use(which, monkeypatch)
    git.git('config', 'extensions.worktreeConfig', 'true')
    before = state(git)
    git.git('model', 'install', scope)
    assert state(git) != before
    for _ in range(2):
        git.git('model', 'uninstall', scope)
        assert state(git) == before


@pytest.mark.parametrize('text', BEFORE.values(), ids=BEFORE)
def test_a_file_of_settings_is_what_it_was_byte_for_byte(
    git: Git, text: str | None,
) -> None:
    if text is not None:
        file = Path('~/.gitconfig').expanduser()
        file.write_text(text)
        file.chmod(0o640)
    before = state(git)
    for _ in range(2):
        git.git('model', 'install', '--skip-repo')
    assert state(git) != before
    git.git('model', 'uninstall', '--skip-repo')
    assert state(git) == before


def test_settings_that_came_later_stay(git: Git) -> None:
    git.git('model', 'install')
    git.git('config', '--global', 'pull.rebase', 'true')
    git.git('config', '--global', 'filter.model.mine', 'x')
    git.git('config', '--global', 'alias.st', 'status')
    git.git('model', 'uninstall')
    assert Path('~/.gitconfig').expanduser().read_text() == (
        '[filter "model"]\n\tmine = x\n[pull]\n\trebase = true\n'
        '[alias]\n\tst = status\n'
    )


def test_settings_that_were_written_by_hand_go_too(git: Git) -> None:
    git.git('model', 'install', '--skip-repo')
    file = Path('~/.gitconfig').expanduser()
    text = file.read_text().replace('[pull]\n\toctopus = model', '[Pull] octopus=model')
    file.write_text(f'[core]\n\tpager = cat\n{text}')
    git.git('model', 'uninstall')
    assert config(git, '--global') == {'core.pager': 'cat'}


@pytest.mark.parametrize('kind', ['link', 'xdg', 'named'])
def test_the_settings_of_the_user_may_be_in_other_places(
    git: Git, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    home = Path('~').expanduser()
    file = home / 'dotfiles/gitconfig'
    if kind == 'xdg':
        file = home / '.config/git/config'
    file.parent.mkdir(parents=True)
    if kind != 'named':
        file.write_text('[core]\n\tpager = cat')
    if kind == 'link':
        (home / '.gitconfig').symlink_to(file)
    elif kind == 'named':
        monkeypatch.setenv('GIT_CONFIG_GLOBAL', str(file))
    before = state(git)
    git.git('model', 'install', '--skip-repo')
    assert 'octopus' in file.read_text()
    git.git('model', 'uninstall', '--skip-repo')
    assert state(git) == before


@pytest.mark.parametrize('which', ['old', 'new'])
@pytest.mark.parametrize('scope', ['--local', '--global'])
@pytest.mark.parametrize('append', [[], ['--append-hooks']])
def test_hooks_of_others_are_what_they_were_byte_for_byte(
    git: Git, scope: str, which: str, append: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gits.use(which, monkeypatch)
    for name, text in (('pre-push', b'#!/bin/sh\necho \xff'),
                       ('prepare-commit-msg', b'#!/bin/sh\n'),
                       ('post-commit', b'#!/bin/sh\nexit 0\n')):
        file = git.path / '.git/hooks' / name
        file.write_bytes(text)
        file.chmod(0o750)
    before = state(git)
    refused = which == 'old' and not append
    git.git('model', 'install', scope, *append, code=1 if refused else 0)
    assert ('git-model' in (git.path / '.git/hooks/pre-push').read_text(
        errors='replace')) == bool(append)
    git.git('model', 'uninstall', scope)
    assert state(git) == before


@pytest.mark.usefixtures('old_git')
def test_a_folder_for_hooks_that_was_made_goes_again(git: Git) -> None:
    shutil.rmtree(git.path / '.git/hooks')
    before = state(git)
    git.git('model', 'install', '--local')
    assert hook_files(git) == set(hooks.NAMES)
    git.git('model', 'uninstall', '--local')
    assert state(git) == before


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


@pytest.mark.usefixtures('old_git')
@pytest.mark.parametrize('text', [FOREIGN, '', '#!/bin/sh\n# A hook of git-model.\n'])
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


@pytest.mark.usefixtures('old_git')
def test_a_hook_that_is_no_text_is_never_touched(git: Git) -> None:
    hook = git.path / '.git' / 'hooks' / 'pre-push'
    hook.write_bytes(b'\x7fELF\xff')
    git.git('model', 'install', '--local', code=1)
    git.git('model', 'uninstall', '--local')
    assert hook.read_bytes() == b'\x7fELF\xff'


@pytest.mark.usefixtures('old_git')
def test_a_folder_of_hooks_that_others_share_is_never_touched(
    git: Git, tmp_path: Path,
) -> None:
    shared = tmp_path / 'shared hooks'
    shared.mkdir()
    git.git('config', 'core.hooksPath', str(shared))
    done = git.run('git', 'model', 'install', '--local', code=1)
    assert 'core.hooksPath puts hooks outside this repository' in done.out + done.err
    assert list(shared.iterdir()) == []


@pytest.mark.usefixtures('old_git')
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
    for key, value in {**settings.SETTINGS, **settings.HOOKS}.items():
        if 'command -v' in value:
            command = value.replace('%f', 'x').replace('git-model', 'no-such-program')
            done = git.run('sh', '-c', command, '/dev/null', code=None, input=b'')
            assert 'syntax' not in done.err.lower(), key
            silent = key == 'diff.model.textconv' or key.startswith('hook.')
            assert 'pip install' in done.err or silent


def test_outside_a_repository_only_the_settings_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    git = Git(tmp_path)
    git.git('model', 'install')
    assert config(git, '--global')['filter.model.required'] == 'true'
    assert list(tmp_path.iterdir()) == []


def test_no_setting_is_more_than_a_line() -> None:
    """git filter-repo reads ``git config --list`` by lines."""
    assert [key for key, value in {**settings.SETTINGS, **settings.HOOKS}.items()
            if '\n' in value] == []
