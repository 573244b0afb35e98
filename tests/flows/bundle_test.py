"""A bundle with tensors: a repository in one file, for clone, fetch and pull."""
from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from tests.testing.repository import Repo

M = 'm.safetensors'


@pytest.fixture
def told(repo: Repo) -> Repo:
    """Three versions, the first of which is tagged."""
    repo.git('model', 'install')
    rng = numpy.random.default_rng(1)
    base = rng.standard_normal((60, 50)).astype('float32')
    for i in range(3):
        repo.save(M, a=base + numpy.float32(1e-4 * i), b=[float(i)], c=base[:9])
        repo.commit(f'version {i}')
        if not i:
            repo.git('tag', 'v1')
    return repo


def test_a_clone_of_a_bundle_is_whole(told: Repo, tmp_path: Path) -> None:
    said = told.git('model', 'bundle', 'create', '../m.bundle', 'main', 'v1')
    assert said == "Wrote '../m.bundle' with 7 tensors.\n"
    told.git('bundle', 'verify', '-q', '../m.bundle')
    bob = told.clone(tmp_path / 'bob', '-b', 'main', url=str(tmp_path / 'm.bundle'))
    assert bob.sha256(M) == told.sha256(M)
    bob.git('model', 'fetch')
    assert bob.git('model', 'fsck') == '7 objects needed, all is well\n'
    bob.git('checkout', '-q', 'v1')
    told.git('checkout', '-q', 'v1')
    assert bob.sha256(M) == told.sha256(M)


def test_a_range_is_pulled_from_a_bundle(told: Repo, tmp_path: Path) -> None:
    told.git('model', 'bundle', 'create', '../old.bundle', 'v1')
    told.git('model', 'bundle', 'create', '../new.bundle', 'v1..main')
    bob = Repo(tmp_path / 'bob')
    told.git('clone', '-q', str(tmp_path / 'old.bundle'), str(bob.path))
    bob.git('checkout', '-q', '-b', 'main', 'v1')
    (tmp_path / 'old.bundle').unlink()
    bob.git('pull', '-q', '../new.bundle', 'main')
    assert bob.sha256(M) == told.sha256(M)
    assert bob.status() == ''
    bob.git('model', 'fetch', '../new.bundle')
    assert bob.git('model', 'fsck') == '7 objects needed, all is well\n'


def test_git_itself_reads_the_commits(told: Repo, tmp_path: Path) -> None:
    told.git('model', 'bundle', 'create', '../m.bundle', '--all')
    plain = Repo(tmp_path / 'plain')
    told.git('clone', '-q', '-b', 'main', '-c', 'filter.model.smudge=', '-c',
             'filter.model.process=', '-c', 'filter.model.required=false',
             str(tmp_path / 'm.bundle'), str(plain.path))
    assert plain.read(M).startswith(b'git-model manifest v1\n')
    assert plain.subjects('-1') == ['version 2']


def test_what_cannot_be_bundled_is_told(told: Repo, tmp_path: Path) -> None:
    done = told.run('git', 'model', 'bundle', 'create', '../m.bundle', code=129)
    assert done.err == (
        'error: cannot bundle: Refusing to create empty bundle.\n'
        'hint: name branches or ranges, as for git rev-list: "main", "v1..main", '
        '"--all"\n'
    )
    told.lose()
    done = told.run('git', 'model', 'bundle', 'create', '../m.bundle', 'main', code=128)
    assert done.err.startswith(f"error: cannot push '{M}': its object sha256:")
    assert not (tmp_path / 'm.bundle').exists()


def test_what_was_there_stays_where_it_fails(told: Repo, tmp_path: Path) -> None:
    (tmp_path / 'm.bundle').write_bytes(b'mine')
    told.lose()
    told.run('git', 'model', 'bundle', 'create', '../m.bundle', 'main', code=128)
    assert (tmp_path / 'm.bundle').read_bytes() == b'mine'
    assert [f.name for f in tmp_path.glob('.m.bundle*')] == []
