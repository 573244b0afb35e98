"""Every command of Git that moves models between commits, index and worktree."""
from __future__ import annotations

import os
from typing import Any

import pytest

from tests.testing import expected
from tests.testing.repository import Repo

M = 'm.safetensors'
FIRST: dict[str, Any] = {'a': 1.0, 'b': [1.0, 2.0]}
SECOND: dict[str, Any] = {'a': 1.0, 'b': [3.0, 2.0]}


class Told(Repo):
    """Two commits on main; the sha256 of the model's file in each."""

    first = second = ''

    def is_first(self) -> None:
        assert self.sha256(M) == self.first

    def is_second(self) -> None:
        assert self.sha256(M) == self.second


@pytest.fixture
def told(repo: Repo) -> Told:
    told = Told(repo.path)
    told.save(M, {'from': 'first'}, **FIRST)
    told.first = told.sha256(M)
    told.commit('first')
    told.save(M, **SECOND)
    told.second = told.sha256(M)
    told.commit('second')
    return told


def test_add_puts_the_manifest_into_the_index_and_the_tensors_into_the_store(
    repo: Repo,
) -> None:
    repo.save(M, **SECOND)
    data = repo.read(M)
    repo.git('add', M)
    assert repo.status() == f'A  {M}\n'
    assert repo.git('show', f':{M}') == expected.manifest(**SECOND)
    assert repo.store() == {expected.oid(values) for values in SECOND.values()}
    assert repo.read(M) == data
    repo.git('commit', '-q', '-m', 'new')
    assert repo.status() == ''
    repo.git('model', 'fsck')


def test_every_way_to_commit_takes_the_model(told: Told) -> None:
    for number, options in enumerate((
        ('-a', '-m', 'all'), ('-m', 'path', '--', M),
        ('-a', '--amend', '-m', 'amended'),
        ('--include', '-m', 'include', '--', M),
    )):
        told.save(M, x=float(number))
        told.git('commit', '-q', *options)
        assert told.manifest() == expected.manifest(x=float(number))
        assert told.status() == ''
    assert told.subjects('-3') == ['include', 'amended', 'all']


def test_a_model_can_be_untracked_ignored_removed_and_moved(told: Told) -> None:
    told.save('new.safetensors', x=1.0)
    assert told.status() == '?? new.safetensors\n'
    told.git('clean', '-f', '-q')
    told.git('mv', M, 'n.safetensors')
    assert told.status() == f'R  {M} -> n.safetensors\n'
    told.git('commit', '-q', '-m', 'move')
    assert told.sha256('n.safetensors') == told.second
    told.git('rm', '-q', '--cached', 'n.safetensors')
    told.git('add', 'n.safetensors')
    assert told.status() == ''
    told.git('rm', '-q', 'n.safetensors')
    told.git('commit', '-q', '-m', 'remove')
    told.git('checkout', '-q', 'HEAD~2')
    told.is_second()


@pytest.mark.parametrize('command', [
    ('checkout', '-q', 'HEAD~1'), ('checkout', '-q', '-b', 'new', 'HEAD~1'),
    ('switch', '-q', '--detach', 'HEAD~1'), ('reset', '-q', '--hard', 'HEAD~1'),
    ('checkout', '-q', 'tag'), ('reset', '-q', '--keep', 'HEAD~1'),
    ('read-tree', '-u', '-m', 'HEAD', 'HEAD~1'),
    ('checkout', 'HEAD~1', '--', M), ('restore', '--source=HEAD~1', M),
    ('restore', '-s', 'HEAD~1', '--staged', '--worktree', M),
])
def test_an_older_version_comes_back_byte_for_byte(
    told: Told, command: tuple[str, ...],
) -> None:
    told.git('tag', 'tag', 'HEAD~1')
    told.git(*command)
    told.is_first()
    moved = command[0] not in ('read-tree', 'restore') and M not in command
    assert (told.status() == '') == moved
    told.git('checkout', '-q', '-f', 'main' if command[0] != 'reset' else 'ORIG_HEAD')
    told.is_second()
    assert told.status() == ''


def test_uncommitted_work_is_undone_and_unstaged(told: Told) -> None:
    def spoil(*commands: tuple[str, ...]) -> None:
        told.save(M, x=7.0)
        for command in commands:
            told.git(*command)

    for undo in (('checkout', '-q', '--', M), ('restore', M), ('checkout', '-q', '-f'),
                 ('checkout-index', '-q', '-f', '-u', M), ('reset', '-q', '--hard')):
        spoil(undo)
        told.is_second()
        assert told.status() == ''
    for unstage in (('reset', '-q', '--mixed'), ('restore', '--staged', M),
                    ('reset', '-q', '--', M)):
        spoil(('add', M))
        assert told.status() == f'M  {M}\n'
        told.git(*unstage)
        assert told.status() == f' M {M}\n'
        assert told.load() == {'x': 7.0}
    told.git('checkout', 'HEAD~1', code=1)      # it would be overwritten
    assert told.load() == {'x': 7.0}


def test_resets_leave_the_model_where_they_say(told: Told) -> None:
    told.git('reset', '-q', '--soft', 'HEAD~1')
    assert told.status() == f'M  {M}\n'
    told.git('reset', '-q')
    assert told.status() == f' M {M}\n'
    told.is_second()
    told.git('commit', '-q', '-a', '-m', 'again')
    assert told.manifest() == expected.manifest(**SECOND)


def test_a_stash_holds_models_and_gives_them_back(told: Told) -> None:
    told.save(M, x=7.0)
    told.save('new.safetensors', y=8.0)
    seventh = told.sha256(M)
    told.git('stash', 'push', '-q', '-u')
    told.is_second()
    assert told.status() == ''
    assert not (told.path / 'new.safetensors').exists()
    # "git stash show" runs no textconv.
    assert f'+{expected.line("x", 7.0)}' in told.git('stash', 'show', '-p')
    told.git('gc', '-q', '--prune=now')
    told.git('stash', 'apply', '-q')
    assert told.sha256(M) == seventh
    assert told.load('new.safetensors') == {'y': 8.0}
    told.git('reset', '-q', '--hard')
    told.git('clean', '-q', '-f')
    told.git('stash', 'pop', '-q')
    assert told.sha256(M) == seventh
    assert told.status() == f' M {M}\n?? new.safetensors\n'


def test_a_stash_keeps_what_is_staged_apart(told: Told) -> None:
    told.save(M, x=7.0)
    told.git('add', M)
    told.save(M, x=8.0)
    told.git('stash', '-q', '--keep-index')
    assert told.load() == {'x': 7.0}
    told.git('reset', '-q', '--hard')
    told.git('stash', 'pop', '-q', '--index')
    assert told.load() == {'x': 8.0}
    assert told.status() == f'MM {M}\n'
    assert told.git('show', f':{M}') == expected.manifest(x=7.0)


def test_a_linked_worktree_shares_the_store(told: Told) -> None:
    before = told.store()
    told.git('worktree', 'add', '-q', '-b', 'side', '../side', 'HEAD~1')
    side = Repo(told.path.parent / 'side')
    assert side.sha256(M) == told.first
    side.save(M, x=9.0)
    assert side.status() == f' M {M}\n'
    side.commit('side')
    assert told.store() == before | {expected.oid(9.0)}
    told.git('worktree', 'remove', '../side')
    told.git('checkout', '-q', 'side')
    assert told.load() == {'x': 9.0}


@pytest.mark.parametrize('mode', ['--cone', '--no-cone'])
def test_sparse_checkout_takes_models_away_and_brings_them_back(
    told: Told, mode: str,
) -> None:
    told.save('in/m.safetensors', x=1.0)
    told.save('out/m.safetensors', x=2.0)
    told.commit('folders')
    wanted = 'in' if mode == '--cone' else '/in/'
    told.git('sparse-checkout', 'set', mode, wanted)
    assert (told.path / 'in/m.safetensors').exists()
    assert not (told.path / 'out').exists()
    assert told.status() == ''
    told.git('sparse-checkout', 'disable')
    assert told.load('out/m.safetensors') == {'x': 2.0}
    assert told.status() == ''


def test_checkout_index_writes_models_anywhere(told: Told) -> None:
    told.git('checkout-index', '-a', '--prefix=../copy/')
    assert told.sha256('../copy/m.safetensors') == told.second
    name = told.git('checkout-index', '--temp', M).split('\t')[0]
    assert told.sha256(name) == told.second


def test_an_archive_holds_models(told: Told) -> None:
    told.git('archive', '-o', '../a.tar', '--prefix=a/', 'HEAD')
    told.git('archive', '-o', '../b.zip', 'HEAD~1')
    told.run('tar', 'xf', '../a.tar', '-C', '..')
    assert told.sha256('../a/m.safetensors') == told.second
    told.run('python3', '-m', 'zipfile', '-e', '../b.zip', '../b')
    assert told.sha256('../b/m.safetensors') == told.first


def test_a_model_committed_raw_is_converted_by_renormalising(repo: Repo) -> None:
    repo.save('sub/raw.safetensors', x=1.0)
    before = repo.sha256('sub/raw.safetensors')
    repo.write('sub/.gitattributes', '*.safetensors -filter -diff -merge\n')
    repo.commit('raw')
    repo.git('rm', '-q', 'sub/.gitattributes')
    repo.git('add', '--renormalize', '.')
    assert repo.status() == 'D  sub/.gitattributes\nM  sub/raw.safetensors\n'
    repo.git('commit', '-q', '-m', 'converted')
    assert repo.manifest('sub/raw.safetensors') == expected.manifest(x=1.0)
    assert repo.sha256('sub/raw.safetensors') == before
    for revision in ('HEAD~1', 'main'):
        repo.git('checkout', '-q', revision)
        assert repo.sha256('sub/raw.safetensors') == before
        assert repo.status() == ''


def test_a_raw_model_is_told_of(repo: Repo) -> None:
    repo.git('add', '.')
    repo.write('.git/info/attributes', '*.safetensors -filter\n')
    repo.save(M, x=1.0)
    repo.commit('raw')
    (repo.path / '.git/info/attributes').unlink()
    (repo.path / M).unlink()
    done = repo.run('git', 'checkout', '--', M)
    size = len(repo.read(M))
    assert done.err.startswith(
        f"warning: '{M}' is committed as raw bytes ({size} bytes), not as a manifest\n"
        f'hint: convert it from now on: git add --renormalize {M}\n'
    )
    assert repo.load() == {'x': 1.0}


def test_collecting_garbage_leaves_every_version(told: Told) -> None:
    told.git('gc', '-q', '--aggressive', '--prune=now')
    told.git('repack', '-q', '-a', '-d', '-F')
    told.git('prune')
    told.git('fsck', '--strict')
    for revision, digest in (('HEAD~1', told.first), ('main', told.second)):
        told.git('checkout', '-q', revision)
        assert told.sha256(M) == digest
    assert told.git('model', 'fsck') == '3 objects needed, all is well\n'


def test_bisect_finds_the_commit_that_spoilt_the_model(repo: Repo) -> None:
    for number in range(6):
        repo.save(M, x=float(number))
        repo.commit(str(number))
    repo.write('../judge.py', (
        'from safetensors.numpy import load_file\n'
        f'raise SystemExit(bool(load_file("{M}")["x"] > 2))\n'
    ))
    repo.git('bisect', 'start', 'main', 'main~5')
    repo.git('bisect', 'run', 'python3', '../judge.py')
    assert repo.git('rev-parse', 'refs/bisect/bad') == repo.git('rev-parse', 'main~2')
    repo.git('bisect', 'reset')
    assert repo.load() == {'x': 5.0}
    assert repo.status() == ''


def test_empty_foreign_and_damaged_files_are_kept_as_they_are(repo: Repo) -> None:
    contents = {
        'empty': b'', 'text': b'not a model\n', 'nul': b'\0' * 9,
        'crlf': b'a\r\nb\r\n', 'cut': b'\xff' * 7,
        'broken': b'\x08' + b'\0' * 7 + b'{"a":1}x',
    }
    for name, data in contents.items():
        repo.write(f'{name}.safetensors', data)
    repo.commit('odd')
    assert repo.status() == ''
    for name in contents:
        (repo.path / f'{name}.safetensors').unlink()
    repo.git('checkout', '--', '.')
    for name, data in contents.items():
        assert repo.read(f'{name}.safetensors') == data
    assert repo.status() == ''


def test_filters_work_in_a_repository_with_a_separate_git_dir(told: Told) -> None:
    told.git('init', '-q', '--separate-git-dir', '../elsewhere.git')
    told.git('checkout', '-q', 'HEAD~1')
    told.is_first()
    told.save(M, x=9.0)
    told.commit('elsewhere')
    assert (told.path.parent / 'elsewhere.git/model/objects').is_dir()
    (told.path / M).unlink()
    told.git('checkout', '--', M)
    assert told.load() == {'x': 9.0}


def test_git_can_be_told_where_the_repository_is(told: Told) -> None:
    place = {'GIT_DIR': str(told.path / '.git'), 'GIT_WORK_TREE': str(told.path)}
    (told.path / 'sub').mkdir()
    for command in (('reset', '-q', '--hard', 'HEAD~1'),
                    ('reset', '-q', '--hard', 'main@{1}')):
        told.git('-C', '..', *command, env=place)
        told.git('-C', 'sub', 'status', env=place)
    told.is_second()
    told.save(M, x=9.0)
    told.git('-C', '..', 'commit', '-q', '-a', '-m', 'outside', env=place)
    assert told.manifest() == expected.manifest(x=9.0)


def test_single_tensors_can_be_staged_and_undone(repo: Repo) -> None:
    names = [f'layer.{number}.w' for number in range(10)]
    old = {name: 1.0 for name in names}
    new = {**old, names[1]: 4.0, names[8]: 8.0}
    repo.save(M, **old)
    repo.commit('old')
    repo.save(M, **new)
    # "git add -p" shows manifests: a hunk is a tensor.
    repo.git('add', '-p', input=b's\ny\nn\n')
    assert repo.status() == f'MM {M}\n'
    staged = repo.git('diff', '--cached', '-U0').splitlines()[-2:]
    assert staged == [
        f'-{expected.shown(names[1], 1.0)}'.strip(),
        f'+{expected.shown(names[1], 4.0)}'.strip(),
    ]
    assert repo.load() == new
    repo.git('checkout', '-p', input=b'y\n')
    assert repo.load() == {**old, names[1]: 4.0}
    assert repo.status() == f'M  {M}\n'


def test_links_and_modes_are_gits(told: Told) -> None:
    (told.path / 'link.safetensors').symlink_to(M)
    (told.path / M).chmod(0o755)
    assert 'old mode 100644\nnew mode 100755\n' in told.git('diff')
    told.commit('link and mode')
    assert told.git('show', 'HEAD:link.safetensors') == M
    told.git('checkout', '-q', 'HEAD~1')
    told.git('checkout', '-q', 'main')
    assert os.readlink(told.path / 'link.safetensors') == M
    assert os.access(told.path / M, os.X_OK)
    told.is_second()
    assert told.status() == ''


def test_many_models_are_checked_out_in_parallel(repo: Repo) -> None:
    names = [f'{number % 3}/{number}.safetensors' for number in range(20)]
    repo.git('config', 'checkout.workers', '4')
    repo.git('config', 'checkout.thresholdForParallelism', '1')
    for name in names:
        repo.save(name, x=[float(len(name))] * 1000, y=float(names.index(name)))
    repo.commit('many')
    digests = [repo.sha256(name) for name in names]
    repo.git('checkout', '-q', 'HEAD~1')
    assert not any((repo.path / name).exists() for name in names)
    repo.git('checkout', '-q', 'main')
    assert [repo.sha256(name) for name in names] == digests
    assert repo.status() == ''


@pytest.mark.parametrize('setting', ['core.autocrlf=true', 'core.eol=crlf'])
def test_line_ends_are_left_alone(told: Told, setting: str) -> None:
    told.git('config', *setting.split('='))
    told.git('checkout', '-q', 'HEAD~1')
    told.is_first()
    told.save(M, x=7.0)
    told.commit('third')
    assert told.manifest() == expected.manifest(x=7.0)
    assert told.status() == ''
