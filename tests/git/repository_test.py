"""Where things are, what git is doing, and blobs by name."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from git_model_driver.core.errors import GitError
from git_model_driver.core.errors import NotARepository
from git_model_driver.git import operation
from git_model_driver.git import repository
from git_model_driver.git import run
from git_model_driver.git.catfile import CatFile
from git_model_driver.git.remoteconfig import RemoteConfig
from tests.testing.repository import Git


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    git = Git(tmp_path / 'a repo')
    git.path.mkdir()
    git.git('init', '-q', '-b', 'main')
    git.write('sub/file', 'hello\n')
    git.git('add', '.')
    git.git('commit', '-q', '-m', 'first')
    monkeypatch.chdir(git.path)
    return git


@pytest.mark.parametrize('below', ['.', 'sub', '.git', '.git/objects'])
def test_a_repository_is_found_from_anywhere_in_it(git: Git, below: str,
                                                   monkeypatch: pytest.MonkeyPatch,
                                                   ) -> None:
    monkeypatch.chdir(git.path / below)
    found = repository.find()
    assert found.git_dir == found.common_dir == git.path / '.git'
    assert found.top == (None if below.startswith('.git') else git.path)
    assert found.store_root == git.path / '.git' / 'model'


def test_a_linked_worktree_shares_the_store(
    git: Git, monkeypatch: pytest.MonkeyPatch,
) -> None:
    git.git('worktree', 'add', '-q', '../linked')
    monkeypatch.chdir(git.path.parent / 'linked')
    found = repository.find()
    assert found.top == git.path.parent / 'linked'
    assert found.store_root == git.path / '.git' / 'model'
    assert found.private != repository.Repository(
        found.common_dir, found.common_dir, None).private
    linked = repository.local_store(str(found.top), Path('/'))
    assert linked == found.store_root


def test_a_bare_repository_has_no_worktree(
    git: Git, monkeypatch: pytest.MonkeyPatch,
) -> None:
    git.git('clone', '-q', '--bare', '.', '../bare.git')
    monkeypatch.chdir(git.path.parent / 'bare.git')
    found = repository.find()
    assert found.top is None and found.git_dir == git.path.parent / 'bare.git'


def test_outside_a_repository_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path.parent))
    with pytest.raises(NotARepository, match='not a git repository'):
        repository.find()


@pytest.mark.parametrize('url', [
    '{}', '{}/.git', 'file://{}', '../a repo', '../a repo/', '.',
])
def test_a_remote_on_this_machine_has_a_store(git: Git, url: str) -> None:
    store = repository.local_store(url.format(git.path), git.path)
    assert store == git.path / '.git' / 'model'


@pytest.mark.parametrize('url', [
    'https://example.com/a.git', 'ssh://host/path', 'git@host:path', 'host:path',
    '/nowhere', '../..', 'ext::sh -c true',
])
def test_any_other_remote_has_none(git: Git, url: str) -> None:
    base = git.path / 'sub'
    assert repository.local_store(url, base) is None


def test_stores_around_a_repository_are_found(
    git: Git, monkeypatch: pytest.MonkeyPatch,
) -> None:
    git.git('clone', '-q', '--shared', '.', '../borrower')
    borrower = Git(git.path.parent / 'borrower')
    borrower.git('remote', 'add', 'far', 'https://example.com/a.git')
    borrower.git('remote', 'add', 'own', str(borrower.path))
    monkeypatch.chdir(borrower.path)
    found = repository.find()
    store = git.path / '.git' / 'model'
    assert repository.alternate_stores(found) == [store]
    assert repository.neighbour_stores(found, RemoteConfig()) == [store]


def test_alternates_that_go_round_come_to_an_end(git: Git) -> None:
    info = git.path / '.git' / 'objects' / 'info'
    info.mkdir(exist_ok=True)
    (info / 'alternates').write_text(f'# a comment\n\n{info.parent}\n')
    stores = repository.alternate_stores(repository.find())
    assert set(stores) == {git.path / '.git' / 'model'} and len(stores) < 10


NAMES = [':sub/file', 'HEAD:sub/file', ':0:sub/file', 'main:sub/file']


def test_blobs_are_had_by_name(git: Git) -> None:
    git.write('empty', '')
    git.write('long', 'x' * 300_000)
    git.write('new\nline', 'odd')
    git.git('add', '.')
    with CatFile() as blobs:
        for _ in range(2):
            assert [blobs.blob(name) for name in NAMES] == [b'hello\n'] * len(NAMES)
            assert blobs.blob(':empty') == b''
            assert blobs.blob(':long') == b'x' * 300_000
            assert blobs.blob(':new\nline') == b'odd'
            for nothing in (':nothing', 'HEAD:sub', 'HEAD', '', ' ', ':1:sub/file',
                            ':é', ':\udcff', ':-', ':new\nlines'):
                assert blobs.blob(nothing) is None


def test_gits_own_words_are_told(git: Git) -> None:
    with pytest.raises(GitError) as e:
        run.output('rev-parse', '--verify', 'nothing')
    assert e.value.message == 'Needed a single revision'
    assert run.attempt('rev-parse', '--verify', 'nothing').code == 128
    assert run.zsplit('ls-files', '-z') == [b'sub/file']


def test_a_missing_git_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('PATH', '/nowhere')
    with pytest.raises(GitError, match="'git' is not on PATH"):
        run.output('version')


@pytest.mark.parametrize(('files', 'variables', 'expected'), [
    ([], {}, 'apply'),
    ([], {'GITHEAD_1234': 'topic'}, 'merge'),
    (['CHERRY_PICK_HEAD'], {}, 'apply'),
    (['REVERT_HEAD'], {}, 'apply'),
    (['MERGE_HEAD', 'rebase-merge/done'], {}, 'merge'),
    (['rebase-merge/done'], {}, 'apply'),
    (['MERGE_HEAD'], {}, 'apply'),
])
def test_what_git_is_doing_is_seen(
    git: Git, monkeypatch: pytest.MonkeyPatch, files: list[str],
    variables: dict[str, str], expected: str,
) -> None:
    for name in files:
        git.write(f'.git/{name}', git.git('rev-parse', 'HEAD'))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert operation.current(os.fspath('sub/file')) == expected


def test_that_there_are_no_refs_is_only_said_where_files_tell(git: Git) -> None:
    common = git.path / '.git'

    def none() -> bool:
        return repository.has_none_below('refs/notes/', common)

    assert none()
    git.git('notes', '--ref=refs/notes/x', 'add', '-m', 'a note')
    assert not none()
    git.git('pack-refs', '--all')
    assert not (common / 'refs/notes/x').exists()
    assert not none()
    git.git('update-ref', '-d', 'refs/notes/x')
    git.git('update-ref', 'refs/notes-of/x', 'HEAD')
    git.git('pack-refs', '--all')
    assert none() is not (common / 'refs/notes').exists()
    (common / 'refs/heads').rename(common / 'refs/elsewhere')
    (common / 'refs/heads').write_text('this repository uses the reftable format\n')
    assert not none()


@pytest.mark.parametrize('nbytes', [100, 3 << 20])
@pytest.mark.parametrize('is_last', [True, False])
def test_a_blob_that_cannot_be_read_is_no_other_kind_of_blob(
    git: Git, nbytes: int, is_last: bool,
) -> None:
    git.write('damaged', b'begins so' + os.urandom(nbytes))
    git.write('good', 'begins so')
    git.git('add', '.')
    oid = git.git('rev-parse', ':damaged').strip()
    path = git.path / '.git/objects' / oid[:2] / oid[2:]
    data = bytearray(path.read_bytes())
    data[20:] = bytes(len(data) - 20)
    path.chmod(0o644)
    path.write_bytes(data)

    def read(ask: Callable[[CatFile, str], bytes | None]) -> None:
        with CatFile() as blobs:
            ask(blobs, oid)
            if not is_last:
                ask(blobs, ':good')

    with pytest.raises(GitError, match='git cannot read '):
        read(lambda blobs, name: blobs.blob(name))
    with pytest.raises(GitError, match='git cannot read '):
        read(lambda blobs, name: blobs.beginning_with(b'begins so', name, 1 << 30))


def test_a_blob_that_begins_otherwise_or_is_larger_is_none(git: Git) -> None:
    git.write('large', bytes(3 << 20) + b'text')
    git.write('small', 'begins so\nand goes on\n')
    git.write('shorter', 'begins')
    git.git('add', '.')
    git.git('commit', '-q', '-m', 'second')
    start = b'begins so'
    with CatFile() as blobs:
        for _ in range(2):
            assert blobs.beginning_with(start, ':small', 99) == git.read('small')
            assert blobs.beginning_with(b'', 'HEAD:small', 22) == git.read('small')
            assert blobs.beginning_with(start, ':small', 21) is None
            assert blobs.beginning_with(start, ':large', 1 << 30) is None
            assert blobs.beginning_with(b'', ':large', 1 << 20) is None
            assert blobs.beginning_with(b'', ':large', 1 << 30) == git.read('large')
            assert blobs.beginning_with(start, ':shorter', 99) is None
            assert blobs.beginning_with(start, 'HEAD', 99) is None
            assert blobs.beginning_with(start, 'HEAD:nothing', 99) is None
            assert blobs.blob(':large') == git.read('large')
