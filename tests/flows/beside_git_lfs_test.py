"""git-lfs and git-model in one repository: whichever comes first, both work."""
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from git_model_driver.git import hooks
from tests.testing import gits
from tests.testing.repository import Repo

pytestmark = pytest.mark.skipif(
    not shutil.which('git-lfs'), reason='there is no git-lfs',
)
M = 'm.safetensors'
BOTH = pytest.mark.parametrize('which', ['old', 'new'])


@pytest.fixture
def work(tmp_path: Path) -> Repo:
    """A repository with nothing installed, and a bare one to push to."""
    work = Repo(tmp_path / 'work')
    work.path.mkdir()
    work.git('init', '-q', '-b', 'main')
    work.git('init', '-q', '--bare', '-b', 'main', '../bare.git')
    work.git('remote', 'add', 'origin', f'file://{tmp_path}/bare.git')
    return work


def hook(work: Repo) -> Path:
    return work.path / '.git/hooks/pre-push'


def kept(work: Repo) -> tuple[int, int]:
    """How many objects of git-lfs and how many tensors the remote has."""
    bare = work.path.parent / 'bare.git'
    return tuple(
        sum(f.is_file() for f in bare.glob(pattern))
        for pattern in ('lfs/objects/*/*/*', 'model/objects/*/*')
    )  # type: ignore[return-value]


def commit_both(work: Repo) -> None:
    """A model, and a file of git-lfs."""
    work.git('lfs', 'track', '*.bin')
    work.git('model', 'track', '*.safetensors')
    work.write('d.bin', 'some data')
    work.save(M, a=[1.0, 1.0], b=[2.0])
    work.commit('both')


def work_with_both(work: Repo) -> None:
    """Push, clone, check out, merge; files of both kinds are what they should be."""
    commit_both(work)
    assert work.git('cat-file', 'blob', 'HEAD:d.bin').startswith('version https://git-')
    work.git('push', '-q', 'origin', 'main')
    assert kept(work) == (1, 2)
    other = work.clone(work.path.parent / 'other', url=f'file://{work.path}/../bare.git')
    assert other.read('d.bin') == b'some data'
    assert other.load(M) == {'a': [1.0, 1.0], 'b': [2.0]}
    other.git('checkout', '-q', '-b', 'topic')
    other.write('d.bin', 'other data')
    other.save(M, a=[3.0, 1.0], b=[2.0])
    other.commit('theirs')
    other.git('checkout', '-q', 'main')
    assert other.read('d.bin') == b'some data'
    other.save(M, a=[1.0, 1.0], b=[4.0])
    other.commit('ours')
    other.git('merge', '-q', '-m', 'merged', 'topic')
    assert other.read('d.bin') == b'other data'
    assert other.load(M) == {'a': [3.0, 1.0], 'b': [4.0]}
    assert other.status() == ''


@BOTH
def test_git_lfs_is_there_first(
    work: Repo, which: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    gits.use(which, monkeypatch)
    work.git('lfs', 'install')
    theirs = hook(work).read_bytes()
    before = work.git('config', '--list')
    if which == 'old':
        said = work.run('git', 'model', 'install', code=1).err.splitlines()
        assert said[:2] == [
            f"error: there is another pre-push hook, '{hook(work)}'; it was left alone",
            "hint: it is git-lfs's; to have both: git model install --append-hooks",
        ]
        work.git('model', 'install', '--append-hooks')
    else:
        work.git('model', 'install')
        assert hook(work).read_bytes() == theirs
    work_with_both(work)
    work.git('model', 'uninstall')
    assert hook(work).read_bytes() == theirs
    assert work.git('config', '--list') == before
    work.write('d.bin', 'more data')
    work.commit('more', 'd.bin')
    work.git('push', '-q', 'origin', 'main')
    assert kept(work) == (2, 2)


@BOTH
def test_git_lfs_comes_later(
    work: Repo, which: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It refuses to replace our hook file, and has its lines put below ours."""
    gits.use(which, monkeypatch)
    work.git('model', 'install')
    before = work.git('config', '--get-regexp', 'model')
    if which == 'old':
        work.git('lfs', 'install', code=2)
        work.git('lfs', 'update', code=2)
        manual = work.git('lfs', 'update', '--manual').splitlines()
        start = next(n for n, line in enumerate(manual) if 'pre-push' in line)
        lines = [line.strip() for line in manual[start + 2:start + 5]]
        assert lines[0] == '#!/bin/sh' and lines[2].startswith('git lfs pre-push')
        hook(work).write_text(hook(work).read_text() + '\n'.join([*lines, '']))
    else:
        work.git('lfs', 'install')
    work_with_both(work)
    work.git('lfs', 'uninstall')
    assert work.git('config', '--get-regexp', 'model') == before
    work.git('rm', '-q', '-f', 'd.bin')    # not its pointer, now that it is unknown
    work.save(M, a=[5.0, 1.0], b=[2.0])
    work.commit('without')
    work.git('push', '-q', 'origin', 'main')
    assert kept(work) == (1, 3)


@pytest.mark.usefixtures('old_git')
def test_git_lfs_is_told_to_replace_our_hook(work: Repo) -> None:
    """As its message says; ours comes back by the option that ours says."""
    work.git('model', 'install')
    work.git('lfs', 'install', code=2)
    work.git('lfs', 'update', '--force')
    assert 'git-model' not in hook(work).read_text()
    theirs = hook(work).read_bytes()
    assert f'hook pre-push: another one ({hook(work)})\n' in work.git(
        'model', 'env', code=1)
    work.git('model', 'install', '--append-hooks')
    work_with_both(work)
    work.git('lfs', 'install', code=2)
    assert hooks.is_current('pre-push', hook(work))
    work.git('model', 'uninstall')
    assert hook(work).read_bytes() == theirs


@BOTH
def test_git_lfs_refuses_what_it_cannot_send_and_nothing_is_pushed(
    work: Repo, which: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    gits.use(which, monkeypatch)
    work.git('lfs', 'install')
    work.git('model', 'install', '--append-hooks')
    commit_both(work)
    shutil.rmtree(work.path / '.git/lfs/objects')
    (work.path / 'd.bin').unlink()
    work.git('push', '-q', 'origin', 'main', code=1)
    assert work.git('ls-remote', 'origin') == ''
