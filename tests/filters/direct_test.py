"""Models written into the worktree, where the system can do less, and after a kill."""
from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from git_model_driver.filters import direct
from git_model_driver.filters.filter import Filter
from tests.testing.repository import Repo

M = 'sub/m.safetensors'


@pytest.fixture
def filter_(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Filter]:
    """That of a repository in which the manifest stands for the model."""
    monkeypatch.chdir(repo.path)
    repo.save(M, x=[1.0, 2.0])
    repo.commit('model')
    (repo.path / M).unlink()
    repo.git('checkout', M, env={'GIT_MODEL_SKIP_SMUDGE': '1'})
    with Filter() as filter_:
        yield filter_


def write(filter_: Filter, repo: Repo) -> list[str]:
    return direct.write(filter_, {M: repo.manifest(M).encode()})


def names(repo: Repo) -> list[str]:
    return sorted(os.listdir(repo.path / 'sub'))


def test_a_file_has_a_name_beside_it_where_none_is_impossible(
    filter_: Filter, repo: Repo, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, 'O_TMPFILE', raising=False)
    assert write(filter_, repo) == [M]
    assert repo.load(M) == {'x': [1.0, 2.0]}
    assert names(repo) == ['m.safetensors']
    assert repo.status() == ''


@pytest.mark.parametrize('has_unnamed', [True, False])
def test_what_cannot_be_written_leaves_nothing(
    filter_: Filter, repo: Repo, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], has_unnamed: bool,
) -> None:
    if not has_unnamed:
        monkeypatch.delattr(os, 'O_TMPFILE', raising=False)
    text = repo.manifest(M)

    def another_writes(fd: int, mode: int) -> None:
        repo.write(M, 'something else')

    monkeypatch.setattr(os, 'fchmod', another_writes)
    assert write(filter_, repo) == []
    assert capsys.readouterr().err == (
        f"warning: '{M}' changed while its model was being written: "
        f"'{M}' stays a manifest\n"
        f'hint: write it with "git model checkout {M}"\n'
    )
    assert repo.read(M) == b'something else'
    assert names(repo) == ['m.safetensors']
    assert repo.manifest(M) == text


def test_no_more_is_begun_than_the_disk_can_take(
    filter_: Filter, repo: Repo, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = os.fstatvfs

    def full(fd: int) -> os.statvfs_result:
        return os.statvfs_result((*real(fd)[:4], 0, *real(fd)[5:]))

    monkeypatch.setattr(os, 'fstatvfs', full)
    assert write(filter_, repo) == []
    assert capsys.readouterr().err.startswith(
        f"warning: cannot write '{M}': No space left on device: it stays a manifest\n",
    )


def test_what_a_killed_process_left_is_removed_a_day_later(
    filter_: Filter, repo: Repo,
) -> None:
    old, new = f'.git-model-{"0" * 16}.tmp', f'.git-model-{"1" * 16}.tmp'
    for name in (old, new, '.git-model-notes.tmp'):
        repo.write(f'sub/{name}', b'')
    for name in (old, '.git-model-notes.tmp'):
        os.utime(repo.path / 'sub' / name, (0, 0))
    assert write(filter_, repo) == [M]
    assert names(repo) == [new, '.git-model-notes.tmp', 'm.safetensors']


@pytest.mark.parametrize('path', ['../m.safetensors', 'sub/../m.safetensors'])
def test_no_path_leads_out(
    filter_: Filter, repo: Repo, path: str, capsys: pytest.CaptureFixture[str],
) -> None:
    manifest = repo.manifest(M).encode()
    writer = direct._Writer(filter_, repo.path)
    assert writer.try_to_write(path, manifest) is None
    assert 'Not a directory' in capsys.readouterr().err


def test_a_file_that_is_not_the_manifest_is_left_alone(
    filter_: Filter, repo: Repo, capsys: pytest.CaptureFixture[str],
) -> None:
    repo.write(M, repo.manifest(M) + '\n')
    assert write(filter_, repo) == []
    (repo.path / M).unlink()
    assert write(filter_, repo) == []
    (repo.path / M).symlink_to('../.gitattributes')
    assert write(filter_, repo) == []
    assert (repo.path / M).is_symlink()
    assert capsys.readouterr().err == ''
