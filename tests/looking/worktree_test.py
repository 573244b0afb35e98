"""Tensors in files of the worktree: as clean has seen them, or not at all."""
from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

import numpy
import pytest

import git_model_driver
from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import Changed
from git_model_driver.core.oid import Oid
from git_model_driver.git import repository as repositories
from git_model_driver.looking.worktree import Worktree
from git_model_driver.store.objects import Store
from git_model_driver.transfer.lfs.standalone import Standalone
from git_model_driver.transfer.locate import store_of
from tests.testing.repository import Repo

NAME = 'a dir/ü "q".safetensors'
LARGE = numpy.arange(700_000, dtype='float32')      # some pieces


@pytest.fixture
def here(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    repo.save(NAME, x=LARGE, y=[1.0, 2.0])
    repo.commit('one')
    monkeypatch.chdir(repo.path)
    return repo


def oids(repo: Repo) -> dict[str, Oid]:
    tensors = manifests.parse(repo.manifest(NAME).encode()).tensors
    return {name: entry.oid for name, entry in tensors.items()}


def test_a_file_that_clean_has_seen_gives_its_tensors(here: Repo) -> None:
    worktree, known = Worktree(repositories.find()), oids(here)
    span = worktree.span(known['x'], NAME)
    assert span is not None and span.length == LARGE.nbytes
    data = bytearray(span.length)
    span.readinto(0, memoryview(data))
    assert data == LARGE.tobytes()
    assert worktree.span(Oid('sha256:' + '0' * 64), NAME) is None
    assert worktree.span(known['x'], 'not there') is None
    assert worktree.span(known['x'], 'a dir') is None


def test_a_file_that_was_written_to_gives_none(here: Repo) -> None:
    known = oids(here)
    here.save(NAME, x=LARGE + 1, y=[1.0, 2.0])
    assert Worktree(repositories.find()).span(known['y'], NAME) is None


def test_a_tensor_in_a_file_that_is_mapped_and_written_to_is_never_whole(
    here: Repo,
) -> None:
    """A mapping writes without a trace in the file's times."""
    with open(here.path / NAME, 'r+b') as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[-2000] = mapped[-2000]       # from here on the system does not notice
        time.sleep(.05)
        here.git('add', '.')
        model, got = git_model_driver.open(NAME), 0
        mapped[-2000] ^= 1
        oid = model.info('x').oid
        with model.store.open(oid) as tensor, pytest.raises(Changed):
            for piece in tensor.chunks():
                got += len(piece)
    assert 0 < got < LARGE.nbytes


@pytest.mark.parametrize('change', ['flipped', 'cut', 'gone'])
def test_a_push_takes_what_lies_there_and_else_the_store(
    here: Repo, tmp_path: Path, change: str,
) -> None:
    """Whatever becomes of the file meanwhile: what arrives is what was committed."""
    repository, known = repositories.find(), oids(here)
    objects, sizes = dict.fromkeys(known.values(), NAME), {}
    for oid in objects:
        with Store(repository.store_root).open(oid) as stored:
            sizes[oid] = stored.nbytes
    worktree = Worktree(repository)
    assert worktree.span(known['x'], NAME) is not None      # it is open now
    path = here.path / NAME
    if change == 'flipped':
        with open(path, 'r+b') as file:
            file.seek(-4000, os.SEEK_END)
            file.write(b'\xff' * 4)
    elif change == 'cut':
        os.truncate(path, 1_500_000)
    else:
        path.unlink()
    place = Standalone(tmp_path / 'far')
    assert place.upload(sizes, objects, store_of(repository, worktree.span)) == 2
    assert place.lacking(sizes) == set()
    assert place.path(known['x']).read_bytes() == LARGE.tobytes()
