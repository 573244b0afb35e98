"""Small packs with differences in them: as git writes them, or refused."""
from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.git import packdelta
from git_model_driver.git.packdelta import patched
from git_model_driver.git.packdelta import whole
from git_model_driver.git.packs import BLOB
from git_model_driver.git.packs import COMMIT
from git_model_driver.git.packs import TREE
from git_model_driver.git.packstream import Difference
from git_model_driver.git.packstream import PackStream
from tests.testing.properties import PROPERTY
from tests.testing.repository import Git

LINES = [f'{number * 2654435761 % 2**32:08x}\n' for number in range(4_000)]


def versions() -> list[bytes]:
    """Texts of which each has a little more, and other lines here and there."""
    drawn = random.Random(1)
    found = []
    for number in range(9):
        lines = LINES[:3_000 + 100 * number]
        for _ in range(5):
            lines[drawn.randrange(len(lines))] = f'changed in {number}\n'
        found.append(''.join(lines).encode())
    return found


def packed(git: Git, names: list[str], *options: str) -> bytes:
    command = ('git', 'pack-objects', '--stdout', '-q', '--depth=9', *options)
    return subprocess.run(command, cwd=git.path, input='\n'.join(names).encode(),
                          capture_output=True, check=True).stdout


@pytest.fixture(params=['sha1', 'sha256'])
def git(request: pytest.FixtureRequest, tmp_path: Path) -> Git:
    git = Git(tmp_path)
    git.git('init', '-q', '--bare', f'--object-format={request.param}')
    return git


def stored(git: Git) -> list[str]:
    return [git.git('hash-object', '-w', '--stdin', input=version).strip()
            for version in versions()]


def algorithm(git: Git) -> str:
    return git.git('rev-parse', '--show-object-format').strip()


def read(data: bytes, algorithm: str = 'sha1') -> list[packdelta.Whole]:
    return list(whole(PackStream([memoryview(data)]), algorithm))


def test_what_git_packs_as_differences_is_read(git: Git) -> None:
    pack = packed(git, stored(git))
    assert len(pack) < 2 * len(versions()[0])       # there are some
    found = read(pack, algorithm(git))
    assert {kind for kind, _ in found} == {BLOB}
    assert sorted(data for _, data in found) == sorted(versions())


def test_commits_that_look_alike_are_read(git: Git) -> None:
    """As those of several pushes are, which a server is asked for together."""
    tips = []
    for number, name in enumerate(stored(git)):
        tree = git.git('mktree', input=f'100644 blob {name}\tindex\n'.encode()).strip()
        git.git('config', 'user.name', 'a' * 200)
        tips.append(git.git('commit-tree', '-m', 'a batch', tree,
                            env={'GIT_AUTHOR_DATE': '@1 +0000',
                                 'GIT_COMMITTER_DATE': '@1 +0000'}).strip())
        git.git('update-ref', f'refs/models/{number}', tips[-1])
    found = read(packed(git, tips, '--revs'), algorithm(git))
    kinds = [kind for kind, _ in found]
    assert [kinds.count(kind) for kind in (COMMIT, TREE, BLOB)] == [9] * 3
    assert {d for k, d in found if k == BLOB} == set(versions())


def test_differences_from_what_is_not_there(git: Git) -> None:
    """A thin pack, and one whose differences say how far away their base is."""
    names = stored(git)
    with pytest.raises(Difference):
        read(packed(git, names, '--delta-base-offset'), algorithm(git))
    for number, name in enumerate(names[:2]):
        tree = git.git('mktree', input=f'100644 blob {name}\ta\n'.encode()).strip()
        parents = ('-p', 'HEAD') if number else ()
        commit = git.git('commit-tree', '-m', 'x', *parents, tree).strip()
        git.git('update-ref', 'HEAD', commit)
    asked = ['HEAD', '^HEAD~1']
    with pytest.raises(Difference):
        read(packed(git, asked, '--revs', '--thin'), algorithm(git))


def test_a_pack_that_is_not_small(
    git: Git, monkeypatch: pytest.MonkeyPatch,
) -> None:
    pack = packed(git, stored(git))
    monkeypatch.setattr(packdelta, 'LARGEST', 100_000)
    with pytest.raises(Difference, match='not small'):
        read(pack, algorithm(git))


COPY_ALL = b'\x90\x0a'      # ten bytes from the beginning


@pytest.mark.parametrize(('delta', 'made'), [
    (b'\x0a\x0a' + COPY_ALL, b'0123456789'),
    (b'\x0a\x05\x91\x02\x03\x02xy', b'234xy'),
    (b'\x0a\x00', b''),
])
def test_differences_are_applied(delta: bytes, made: bytes) -> None:
    assert patched(b'0123456789', delta) == made


def test_a_copy_of_no_length_is_of_64_kib() -> None:
    base = bytes(range(256)) * 300
    sizes = b'\x80\xd8\x04' + b'\x80\x80\x04'
    assert patched(base, sizes + b'\x81\x01') == base[1:0x10001]


@pytest.mark.parametrize('delta', [
    b'', b'\x0a', b'\x8a', b'\x09\x0a' + COPY_ALL, b'\x0a\x0b' + COPY_ALL,
    b'\x0a\x09' + COPY_ALL, b'\x0a\x0a\x91\x01\x0a', b'\x0a\x0a\x90', b'\x0a\x02\x02x',
    b'\x0a\x01\x00', b'\xff' * 40, b'\x0a' + b'\xff' * 5 + b'\x01' + COPY_ALL,
])
def test_differences_that_are_none(delta: bytes) -> None:
    with pytest.raises(ValueError):
        patched(b'0123456789', delta)


@PROPERTY
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_are_a_difference_or_refused(base: bytes, delta: bytes) -> None:
    try:
        assert isinstance(patched(base, delta), bytes)
    except ValueError:
        pass
