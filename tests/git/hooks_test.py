"""Hooks of Git's configuration (Git 2.54), hook files, and blocks in others' hooks."""
from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from git_model_driver.git import block
from git_model_driver.git import hooks
from git_model_driver.git import settings
from tests.testing import gits
from tests.testing.repository import Git
from tests.testing.repository import Repo

M = 'm.safetensors'
# Says what it was given, as every hook may.
FOREIGN = '''\
echo "args: $*" >>../seen
while read -r from _ to _; do echo "ref: $to" >>../seen; done
'''
BOTH = pytest.mark.parametrize('which', ['old', 'new'])


@pytest.fixture(name='work')
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A repository with nothing installed, and a bare one to push to."""
    work = Repo(tmp_path / 'work')
    work.path.mkdir()
    work.git('init', '-q', '-b', 'main')
    work.git('init', '-q', '--bare', '-b', 'main', '../bare.git')
    work.git('remote', 'add', 'origin', str(tmp_path / 'bare.git'))
    monkeypatch.chdir(work.path)
    return work


def hook(work: Repo, name: str = 'pre-push') -> Path:
    return work.path / '.git/hooks' / name


def put(file: Path, text: str | bytes, mode: int = 0o755) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    file.chmod(mode)
    return file


def commit_model(work: Repo, *values: float) -> None:
    work.write('.gitattributes', '*.safetensors filter=model diff=model merge=model\n')
    work.save(M, a=list(values))
    work.commit('a model')


def sent(work: Repo) -> int:
    return len(list((work.path.parent / 'bare.git/model').glob('objects/*/*')))


def seen(work: Repo) -> str:
    return (work.path.parent / 'seen').read_text()


def written(work: Repo) -> set[str]:
    """The hook files that are no samples."""
    files = (work.path / '.git/hooks').iterdir()
    return {file.name for file in files if file.suffix != '.sample'}


def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have every call of git-model noted in a file."""
    program = shutil.which('git-model')
    log = tmp_path / 'calls'
    log.touch()
    put(tmp_path / 'first/git-model',
        f'#!/bin/sh\necho "$1" >>{log}\nexec {program} "$@"\n')
    monkeypatch.setenv('PATH', f'{tmp_path / "first"}{os.pathsep}{os.environ["PATH"]}')
    return log


@pytest.mark.usefixtures('new_git')
def test_one_setting_serves_every_repository(work: Repo) -> None:
    assert 'Set the hooks pre-push and prepare-commit-msg there, too.' in work.git(
        'model', 'install')
    commit_model(work, 1.0)
    work.git('config', 'core.hooksPath', '/nowhere')
    work.git('push', '-q', 'origin', 'main')
    assert sent(work) == 1
    assert written(work) == set()


@pytest.mark.usefixtures('new_git')
def test_a_hook_file_of_somebody_else_runs_beside_the_setting(work: Repo) -> None:
    foreign = put(hook(work), f'#!/bin/sh\n{FOREIGN}')
    work.git('model', 'install')
    commit_model(work, 1.0)
    work.git('push', '-q', 'origin', 'main')
    assert sent(work) == 1
    url = work.path.parent / 'bare.git'
    assert seen(work) == f'args: origin {url}\nref: refs/heads/main\n'
    assert foreign.read_text() == f'#!/bin/sh\n{FOREIGN}'


@pytest.mark.usefixtures('new_git')
def test_the_file_of_an_older_git_goes_when_the_setting_comes(work: Repo) -> None:
    for name in hooks.NAMES:
        put(hook(work, name), hooks.script(name))
    done = work.git('model', 'install', '--local')
    assert [line for line in done.splitlines() if line.startswith('Removed')] == [
        f'Removed {hook(work, name)}.' for name in hooks.NAMES
    ]
    assert written(work) == set()


@pytest.mark.usefixtures('new_git')
@pytest.mark.parametrize('form', ['file', 'block'])
def test_a_file_and_a_setting_do_the_work_once(
    work: Repo, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    work.git('model', 'install')
    for name in hooks.NAMES:
        text = hooks.script(name)
        own = block.put(b'#!/bin/bash\ntrue\n', block.of(text.encode()) or b'')
        put(hook(work, name), text if form == 'file' else own)
    commit_model(work, 1.0, 1.0)
    work.fork(
        lambda: work.save(M, a=[1.0, 1.0], n=[0.0]),
        lambda: work.save(M, a=[1.0, 3.0], n=[0.0]),
        lambda: work.save(M, a=[2.0, 1.0], n=[0.0]),
    )
    log = watch(tmp_path, monkeypatch)
    work.git('merge', '-q', '-m', 'both', 'topic')
    done = work.run('git', 'push', '-q', 'origin', 'main')
    calls = log.read_text().split()
    assert [calls.count(name) for name in hooks.NAMES] == [1, 1]
    assert done.err.count('Sent ') == 1
    assert work.git('log', '-1', '--format=%B').count('Model-Merge: ') == 1


@pytest.mark.usefixtures('new_git')
def test_where_another_git_has_run_nothing_the_file_does_it(work: Repo) -> None:
    """JGit, for one, knows files only: it does not put git's programs on PATH."""
    work.git('model', 'install')
    commit_model(work, 1.0)
    file = put(hook(work), hooks.script('pre-push'))
    head = work.git('rev-parse', 'HEAD').strip()
    update = f'refs/heads/main {head} refs/heads/main {"0" * 40}\n'
    work.run(str(file), 'origin', '../bare.git', input=update.encode())
    assert sent(work) == 1


@BOTH
def test_a_repository_used_with_two_versions_of_git(
    work: Repo, which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The older one adds the file that it needs, the newer one does not need it."""
    with monkeypatch.context() as patch:
        gits.use('new', patch)
        work.git('model', 'install')
    gits.use(which, monkeypatch)
    commit_model(work, 1.0)
    assert written(work) == (set() if which == 'new' else set(hooks.NAMES))
    log = watch(tmp_path, monkeypatch)
    work.git('push', '-q', 'origin', 'main')
    assert sent(work) == 1
    assert log.read_text().split().count('pre-push') == 1


@pytest.mark.usefixtures('new_git')
def test_a_hook_that_was_switched_off_stays_off(work: Repo) -> None:
    work.git('model', 'install')
    work.git('config', 'hook.model-pre-push.enabled', 'false')
    commit_model(work, 1.0)
    work.git('push', '-q', 'origin', 'main')
    assert (sent(work), written(work)) == (0, set())
    said = work.git('model', 'env', code=1)
    assert 'hook pre-push: disabled by the configuration\n' in said


def without_program(monkeypatch: pytest.MonkeyPatch) -> None:
    own = str(Path(shutil.which('git-model') or '').parent)
    path = [p for p in os.environ['PATH'].split(os.pathsep) if p != own]
    monkeypatch.setenv('PATH', os.pathsep.join(path))
    assert shutil.which('git-model') is None


@BOTH
def test_without_the_program_only_models_cannot_be_pushed(
    work: Repo, which: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    gits.use(which, monkeypatch)
    work.git('model', 'install')
    work.write('readme', 'no model')
    work.commit('no model')
    with monkeypatch.context() as patch:
        without_program(patch)
        done = work.run('git', 'push', '-q', 'origin', 'main')
        assert (done.out, done.err) == ('', '')
    commit_model(work, 1.0)
    without_program(monkeypatch)
    done = work.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert "'git-model' is not on PATH" in done.err
    assert 'hint: to push without the weights: git push --no-verify\n' in done.err
    work.git('push', '-q', '--no-verify', 'origin', 'main')


@pytest.mark.usefixtures('new_git')
def test_repositories_without_models_do_not_start_the_program(
    work: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    work.git('model', 'install')
    log = watch(tmp_path, monkeypatch)
    work.write('readme', 'no model')
    work.commit('no model')
    refs = ''.join(f'create refs/heads/b{n} HEAD\n' for n in range(2000))
    work.git('update-ref', '--stdin', input=refs.encode())
    work.git('push', '-q', '--all', 'origin')
    assert log.read_text() == ''
    assert len(work.git('ls-remote', 'origin').splitlines()) == 2002


@pytest.mark.usefixtures('new_git')
def test_a_setting_of_another_scope_is_left_in_force(work: Repo) -> None:
    work.git('model', 'install')
    work.git('model', 'install', '--local')
    work.git('model', 'uninstall', '--local')
    commit_model(work, 1.0)
    work.git('push', '-q', 'origin', 'main')
    assert sent(work) == 1


@pytest.mark.usefixtures('new_git')
def test_what_is_said_about_settings_is_what_is_done(work: Repo) -> None:
    said = work.git('model', 'install', '--local', '--dry-run')
    manual = work.git('model', 'install', '--local', '--manual')
    assert work.git('config', '--local', '--get-regexp', '^hook', code=1) == ''
    shown = manual.partition('\n')[2].rpartition('Next: ')[0]
    assert said.endswith(shown)
    work.run('sh', '-ec', shown)
    for key, value in settings.HOOKS.items():
        assert work.git('config', '--local', key) == f'{value}\n'
    env = work.git('model', 'env')
    for name in hooks.NAMES:
        assert (f'hook {name}: current (hook.model-{name}.command, file:.git/config)\n'
                ) in env


@pytest.mark.usefixtures('old_git')
@pytest.mark.parametrize('first', [
    '#!/bin/sh', '#! /bin/dash -eu', '#!/usr/bin/env -S bash -euo pipefail',
])
def test_a_block_leaves_the_hook_around_it_as_it_was(work: Repo, first: str) -> None:
    text = f'{first}\n{FOREIGN}'
    file = put(hook(work), text, 0o751)
    out = work.git('model', 'install', '--append-hooks')
    assert f'Put a block into {file}.\n' in out
    assert file.read_text() == f'{first}\n' + (
        hooks.script('pre-push').split('\n', 2)[2]) + FOREIGN
    assert file.stat().st_mode & 0o777 == 0o751
    commit_model(work, 1.0)
    work.git('push', '-q', 'origin', 'main', 'main:other')
    assert sent(work) == 1
    url = work.path.parent / 'bare.git'
    pushed = 'ref: refs/heads/main\nref: refs/heads/other\n'
    assert seen(work) == f'args: origin {url}\n{pushed}'
    work.git('push', '-q', 'origin', 'main')            # with nothing to read
    assert seen(work) == f'args: origin {url}\n{pushed}args: origin {url}\n'
    assert f'hook pre-push: current, in another one ({file})\n' in work.git(
        'model', 'env')
    once = file.read_bytes()
    work.git('model', 'install', '--append-hooks')
    assert file.read_bytes() == once
    assert f'Took the block out of {file}.\n' in work.git('model', 'uninstall')
    assert (file.read_text(), file.stat().st_mode & 0o777) == (text, 0o751)


@pytest.mark.usefixtures('old_git')
def test_a_push_that_the_block_refuses_does_not_happen(work: Repo) -> None:
    put(hook(work), f'#!/bin/sh\n{FOREIGN}')
    work.git('model', 'install', '--append-hooks')
    commit_model(work, 1.0)
    work.lose()
    (work.path / M).unlink()
    done = work.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert done.err.startswith('error: ')
    assert work.git('ls-remote', 'origin') == ''
    assert not (work.path.parent / 'seen').exists()


@pytest.mark.usefixtures('old_git')
def test_a_push_that_the_other_hook_refuses_does_not_happen(work: Repo) -> None:
    put(hook(work), '#!/bin/sh\nexit 3\n')
    work.git('model', 'install', '--append-hooks')
    commit_model(work, 1.0)
    work.git('push', '-q', 'origin', 'main', code=1)
    assert work.git('ls-remote', 'origin') == ''


@pytest.mark.usefixtures('old_git')
def test_a_block_in_the_hook_for_messages(work: Repo) -> None:
    name = 'prepare-commit-msg'
    text = '#!/bin/sh -e\necho "Seen-by: $2" >>"$1"\n'
    file = put(hook(work, name), text)
    work.git('model', 'install', '--append-hooks')
    commit_model(work, 1.0, 1.0)
    work.diverge({'a': [1.0, 1.0], 'n': [0.0]}, {'a': [2.0, 1.0], 'n': [0.0]},
                 {'a': [1.0, 2.0], 'n': [0.0]})
    work.git('merge', '-q', '-m', 'both', 'topic')
    message = work.git('log', '-1', '--format=%B')
    assert 'Model-Merge: m.safetensors: ' in message
    assert 'Seen-by: merge\n' in message
    work.git('model', 'uninstall')
    assert file.read_text() == text


@pytest.mark.usefixtures('old_git')
def test_an_older_block_is_brought_up_to_date(work: Repo) -> None:
    old = '#!/bin/sh\n# >>> git-model >>>\nsome older text\n# <<< git-model <<<\nexit\n'
    file = put(hook(work), old)
    assert f'hook pre-push: an older one ({file})\n' in work.git('model', 'env', code=1)
    work.git('model', 'install')
    assert block.without(file.read_bytes()) == b'#!/bin/sh\nexit\n'
    assert hooks.is_current('pre-push', file)


@pytest.mark.usefixtures('old_git')
def test_what_is_added_to_our_own_hook_runs_and_stays(work: Repo) -> None:
    work.git('model', 'install')
    file = hook(work)
    file.write_text(file.read_text() + FOREIGN)
    commit_model(work, 1.0)
    work.git('push', '-q', 'origin', 'main')
    assert sent(work) == 1
    assert 'ref: refs/heads/main\n' in seen(work)
    work.git('model', 'install')
    work.git('model', 'uninstall')
    assert file.read_text() == f'#!/bin/sh\n{FOREIGN}'


@pytest.mark.usefixtures('old_git')
@pytest.mark.parametrize(('text', 'mode', 'error'), [
    ('#!/usr/bin/env python3\nprint(1)\n', 0o755, 'is no script of sh or bash'),
    ('#!/bin/zsh\ntrue\n', 0o755, 'is no script of sh or bash'),
    ('true\n', 0o755, 'is no script of sh or bash'),
    ('#!/bin/sh\r\ntrue\r\n', 0o755, 'is no script of sh or bash'),
    ('#!/bin/sh', 0o755, 'is no script of sh or bash'),
    (b'\x7fELF\xff', 0o755, 'is no script of sh or bash'),
    ('#!/bin/sh\nexit 1\n', 0o644, 'is not executable'),
])
def test_a_hook_in_which_a_block_would_do_nothing_is_left_alone(
    work: Repo, text: str | bytes, mode: int, error: str,
) -> None:
    file = put(hook(work), text, mode)
    before = file.read_bytes()
    done = work.run('git', 'model', 'install', '--append-hooks', code=1)
    assert error in done.err.splitlines()[0]
    assert done.err.splitlines()[1].startswith('hint: ')
    assert file.read_bytes() == before


@pytest.mark.usefixtures('old_git')
def test_a_link_leads_to_a_hook_of_this_repository_only(
    work: Repo, tmp_path: Path,
) -> None:
    outside = put(tmp_path / 'shared', '#!/bin/sh\ntrue\n')
    hook(work).symlink_to(outside)
    done = work.run('git', 'model', 'install', '--append-hooks', code=1)
    assert done.err.startswith(
        f"error: '{outside}' is a link to a file outside this repository\nhint: put ")
    hook(work).unlink()
    inside = put(work.path / 'tools/hook', '#!/bin/sh\ntrue\n')
    hook(work).symlink_to('../../tools/hook')
    work.git('model', 'install', '--append-hooks')
    assert hook(work).is_symlink()
    assert hooks.is_current('pre-push', inside)
    work.git('model', 'uninstall')
    assert hook(work).is_symlink()
    assert inside.read_text() == '#!/bin/sh\ntrue\n'
    assert outside.read_text() == '#!/bin/sh\ntrue\n'


@pytest.mark.usefixtures('old_git')
def test_a_folder_that_is_a_link_to_a_shared_one_is_left_alone(
    work: Repo, tmp_path: Path,
) -> None:
    shared = tmp_path / 'shared'
    shared.mkdir()
    shutil.rmtree(hook(work).parent)
    hook(work).parent.symlink_to(shared)
    done = work.run('git', 'model', 'install', code=1)
    assert f"'{hook(work).parent}' is a link to a folder outside" in done.err
    commit_model(work, 1.0)
    assert list(shared.iterdir()) == []


@pytest.mark.usefixtures('old_git')
def test_a_tracked_hook_gets_a_block_for_a_further_word_only(work: Repo) -> None:
    text = '#!/bin/sh\ntrue\n'
    file = put(work.path / '.githooks/pre-push', text)
    work.git('config', 'core.hooksPath', '.githooks')
    work.commit('hooks')
    done = work.run('git', 'model', 'install', '--append-hooks', code=1)
    assert done.err == (
        f"error: the pre-push hook '{file}' is tracked, so that others get the block "
        'too\nhint: if they are to have it: git model install --append-hooks=tracked\n'
    )
    assert file.read_text() == text
    (work.path / 'sub').mkdir()
    Git(work.path / 'sub').git('model', 'install', '--append-hooks=tracked')
    assert hooks.is_current('pre-push', file)
    work.git('model', 'uninstall')
    assert file.read_text() == text
    work.git('model', 'install', '--append-hooks=tracked')
    work.commit('a block')
    said = work.git('model', 'uninstall')
    assert f"the pre-push hook '{file}' is committed, and was left as it is\n" in said
    assert work.status() == ''
    hint = next(x for x in said.splitlines() if x.startswith('hint: to take the block'))
    work.run('sh', '-c', hint.partition('out: ')[2])
    assert file.read_text() == text


@pytest.mark.usefixtures('old_git')
def test_husky_is_told_from_the_hooks_that_it_runs(work: Repo) -> None:
    """Version 9: git runs .husky/_/pre-push, which runs .husky/pre-push."""
    run = '#!/usr/bin/env sh\n. "$(dirname "$0")/h"\n'
    put(work.path / '.husky/_/h', 'h="$(dirname "$(dirname "$0")")/$(basename "$0")"\n'
        '[ ! -f "$h" ] && exit 0\nsh -e "$h" "$@"\nexit $?\n')
    for name in hooks.NAMES:
        put(work.path / '.husky/_' / name, run)
    put(work.path / '.husky/_/.gitignore', '*\n')
    work.git('config', 'core.hooksPath', '.husky/_')
    own = put(work.path / '.husky/pre-push', FOREIGN, 0o644)
    done = work.run('git', 'model', 'install', '--append-hooks', code=1)
    lines = done.err.splitlines()
    assert lines[0] == (
        f"error: '{work.path}/.husky/_/pre-push' is husky's, which writes it anew")
    assert lines[1].startswith(f'hint: put these lines at the top of {own}, ')
    end = next(n for n, line in enumerate(lines) if line.startswith('error: ') and n)
    shown = [line.removeprefix('hint: ') for line in lines[2:end]]
    own.write_text('\n'.join([*shown, FOREIGN]))
    commit_model(work, 1.0)
    work.git('push', '-q', 'origin', 'main')
    assert sent(work) == 1
    assert 'ref: refs/heads/main\n' in seen(work)
    work.git('push', '-q', 'origin', 'main')
    assert seen(work).count('ref: ') == 1


@pytest.mark.usefixtures('old_git')
def test_the_hooks_are_those_of_all_worktrees(work: Repo) -> None:
    work.write('readme', '')
    work.commit('one')
    work.git('worktree', 'add', '-q', '../linked')
    linked = Git(work.path.parent / 'linked')
    assert f'Installed {hook(work)}.\n' in linked.git('model', 'install')
    assert f'Removed {hook(work)}.\n' in linked.git('model', 'uninstall')
    assert written(work) == set()


@pytest.mark.usefixtures('old_git')
def test_a_dry_run_says_what_is_done_then(work: Repo) -> None:
    put(hook(work), '#!/bin/sh\ntrue\n')
    other = hook(work, 'prepare-commit-msg')
    done = work.run('git', 'model', 'install', '--dry-run', code=1)
    assert f'Would install {other}\n' in done.out
    assert "there is another pre-push hook, '" in done.err
    said = work.git('model', 'install', '--dry-run', '--append-hooks')
    assert f'Would put a block into {hook(work)}\nWould install {other}\n' in said
    assert written(work) == {'pre-push'}
    work.git('model', 'install', '--append-hooks')
    said = work.git('model', 'uninstall', '--dry-run')
    assert said.endswith(
        f'Would take the block out of {hook(work)}\nWould remove {other}\n')
    assert written(work) == set(hooks.NAMES)
    work.git('model', 'install', '--local')
    said = work.git('model', 'uninstall', '--dry-run')
    assert said.endswith(
        'Left the hooks: other settings of git still name the filter here.\n')


@pytest.mark.usefixtures('old_git')
def test_the_lines_for_a_hook_that_is_not_there_make_one(
    work: Repo, tmp_path: Path,
) -> None:
    shared = tmp_path / 'shared'
    shared.mkdir()
    work.git('config', '--global', 'core.hooksPath', str(shared))
    lines = work.run('git', 'model', 'install', code=1).err.splitlines()
    assert lines[1] == (
        f'hint: make an executable file {shared}/pre-push of these lines:')
    end = next(n for n, line in enumerate(lines) if line.startswith('error: ') and n)
    shown = [line.removeprefix('hint: ') for line in lines[2:end]]
    track = 'git', 'model', 'track', '*.npy'
    assert work.run(*track).err == (
        "warning: 'git push' will not send the weights: no hook of ours runs\n"
        'hint: to set it up, or see what is in the way: git model install\n'
    )
    file = put(shared / 'pre-push', '\n'.join([*shown, '']))
    assert work.run(*track).err == ''
    commit_model(work, 1.0)
    work.git('push', '-q', 'origin', 'main')
    assert sent(work) == 1
    shown = [lines[-1].removeprefix('hint: ')]
    other = put(shared / 'prepare-commit-msg', '\n'.join(['#!/bin/sh', *shown, '']))
    work.git('model', 'install')
    assert work.git('model', 'env').endswith(
        f'hook pre-push: another one, which runs it ({file})\n'
        f'hook prepare-commit-msg: another one, which runs it ({other})\n'
    )
