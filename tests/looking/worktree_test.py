"""Tensors in files of the worktree: as clean has seen them, or not at all."""
from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

import numpy
import pytest

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


def pieces(worktree: Worktree, oid: Oid) -> list[bytes]:
    opened = worktree.open(oid, NAME)
    assert opened is not None
    with opened as file:
        return [bytes(piece) for piece in file.chunks()]


def test_a_file_that_clean_has_seen_gives_its_tensors(here: Repo) -> None:
    worktree, known = Worktree(repositories.find()), oids(here)
    assert b''.join(pieces(worktree, known['x'])) == LARGE.tobytes()
    assert worktree.open(Oid('sha256:' + '0' * 64), NAME) is None
    assert worktree.open(known['x'], 'not there') is None
    assert worktree.open(known['x'], 'a dir') is None


def test_a_file_that_was_written_to_gives_none(here: Repo) -> None:
    known = oids(here)
    here.save(NAME, x=LARGE + 1, y=[1.0, 2.0])
    assert Worktree(repositories.find()).open(known['y'], NAME) is None


def test_what_changes_while_it_is_read_is_never_whole(here: Repo) -> None:
    """A mapping writes without a trace in the file's times."""
    with open(here.path / NAME, 'r+b') as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[-2000] = mapped[-2000]       # from here on the system does not notice
        time.sleep(.05)
        here.git('add', '.')
        oid, worktree = oids(here)['x'], Worktree(repositories.find())
        opened, got = worktree.open(oid, NAME), 0
        assert opened is not None
        mapped[-2000] ^= 1
        with opened as tensor, pytest.raises(Changed, match='changed while it was'):
            for piece in tensor.chunks():
                got += len(piece)
    assert 0 < got < LARGE.nbytes


def test_a_push_takes_what_lies_there_and_else_the_store(
    here: Repo, tmp_path: Path,
) -> None:
    repository, known = repositories.find(), oids(here)
    objects, sizes = dict.fromkeys(known.values(), NAME), {}
    for oid in objects:
        with Store(repository.store_root).open(oid) as stored:
            sizes[oid] = stored.nbytes
    worktree = Worktree(repository)
    assert worktree.open(known['x'], NAME) is not None
    with open(here.path / NAME, 'r+b') as file:     # from now on they are others
        file.seek(-4000, os.SEEK_END)
        file.write(b'\xff' * 4)
    place = Standalone(tmp_path / 'far')
    assert place.upload(sizes, objects, store_of(repository, worktree.open)) == 2
    assert place.lacking(sizes) == set()
    assert place.path(known['x']).read_bytes() == LARGE.tobytes()
