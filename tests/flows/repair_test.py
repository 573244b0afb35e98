"""fsck says whose fault it is and what it hurts; --repair gets the bytes back."""
from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import pytest

from git_model_driver.core.oid import Oid
from git_model_driver.store.objects import Store
from tests.testing import repository
from tests.testing.faults import M
from tests.testing.faults import numbers
from tests.testing.repository import Repo


def oid_of(repo: Repo, tensor: str, revision: str = 'HEAD', name: str = M) -> Oid:
    line, = (
        line for line in repo.manifest(name, revision).splitlines()
        if line.startswith(f'tensor {tensor} ')
    )
    return Oid(line.split(' ')[4])


def path_of(repo: Repo, oid: str) -> Path:
    return Store(repo.path / '.git/model').path(Oid(oid))


def damage(repo: Repo, oid: str, at: int = -1) -> bytes:
    """Change a byte of an object; what it was."""
    path = path_of(repo, oid)
    data = path.read_bytes()
    changed = bytearray(data)
    changed[at] ^= 1
    path.unlink()       # a clone may share the file
    path.write_bytes(changed)
    return data


def commit_of(repo: Repo, revision: str) -> str:
    return repo.git('log', '-1', '--format=%h (%s)', revision).strip()


def real(path: Path) -> str:
    return os.path.realpath(path)


def one_problem(repo: Repo, line: str, *args: str) -> None:
    assert repo.run('git', 'model', 'fsck', *args, code=1).out == (
        f'{line}\n1 problem found\n'
    )


def save(repo: Repo, seed: int, name: str = M, **more: Any) -> None:
    repo.save(name, a=numbers(seed, 1e-3), **more)


@pytest.fixture
def three(repo: Repo) -> Repo:
    """Three versions of a tensor, each stored as a difference from the one before."""
    for seed, word in enumerate(('one', 'two', 'three'), 1):
        save(repo, seed)
        repo.commit(word)
    return repo


def test_the_base_is_named_and_not_what_is_based_on_it(three: Repo) -> None:
    oid = oid_of(three, 'a', 'HEAD~2')
    damage(three, oid)
    one_problem(three, (
        f"{oid}: damaged, needed by tensor 'a' of '{M}' in "
        f'{commit_of(three, "HEAD~2")}; 2 objects are based on it'
    ))
    path_of(three, oid).unlink()
    one_problem(three, (
        f"{oid}: missing, needed by tensor 'a' of '{M}' in "
        f'{commit_of(three, "HEAD~2")}; 2 objects are based on it'
    ))
    three.git('checkout', '-q', 'HEAD~1')
    assert three.run('git', 'checkout', '-q', 'main').err.startswith(
        f"warning: tensor 'a' of '{M}': the object {oid} is not in the store: "
        f"'{M}' stays a manifest\n",
    )


def test_a_base_that_no_version_needs_is_named_with_who_needs_it(repo: Repo) -> None:
    save(repo, 1)
    base = repo.commit('one')
    oid = oid_of(repo, 'a')
    save(repo, 2)
    repo.git('add', M)
    repo.git('commit', '-q', '--amend', '-m', 'two')
    repo.git('reflog', 'expire', '--expire=now', '--all')
    assert repo.git('rev-parse', 'HEAD') != base
    damage(repo, oid)
    one_problem(repo, (
        f"{oid}: damaged, needed by tensor 'a' of '{M}' in {commit_of(repo, 'HEAD')}; "
        '1 object is based on it'
    ))


def test_what_only_the_index_or_a_stash_has_is_said(three: Repo) -> None:
    save(three, 4)
    three.git('stash', '-q')
    stashed = oid_of(three, 'a', 'stash@{0}')
    subject = three.git('log', '-1', '--format=%s', 'stash@{0}').strip()
    save(three, 5)
    three.git('add', M)
    line, = (x for x in three.git('show', '--no-textconv', f':{M}').splitlines()
             if x.startswith('tensor'))
    staged = line.split(' ')[4]
    for oid in (stashed, staged):
        damage(three, oid)
    out = three.run('git', 'model', 'fsck', code=1).out.splitlines()
    assert sorted(out[:-1]) == sorted([
        f"{stashed}: damaged, needed by tensor 'a' of '{M}' in stash@{{0}} ({subject})",
        f"{staged}: damaged, needed by tensor 'a' of '{M}' in the index",
    ])
    other = three.path.parent / 'linked'
    three.git('worktree', 'add', '-q', '--detach', str(other))
    assert f"'{M}' in the index of '{real(three.path)}'" in Repo(other).run(
        'git', 'model', 'fsck', code=1,
    ).out


def test_what_a_merge_made_is_in_the_merge(repo: Repo) -> None:
    repo.fork(*(partial(save, repo, seed) for seed in (1, 2, 3)))
    repo.git('merge', '-q', '-m', 'merged', 'topic')
    oid = oid_of(repo, 'a')
    damage(repo, oid)
    one_problem(repo, (
        f"{oid}: damaged, needed by tensor 'a' of '{M}' in {commit_of(repo, 'HEAD')}"
    ))


def test_a_base_is_taken_from_another_worktree(three: Repo) -> None:
    linked = Repo(three.path.parent / 'linked')
    three.git('worktree', 'add', '-q', '--detach', str(linked.path), 'HEAD~2')
    oid = oid_of(three, 'a', 'HEAD~2')
    damage(three, oid)
    kept = real(three.path / '.git/model') + f'/damaged/{oid[7:]}'
    assert three.git('model', 'fsck', '--repair') == (
        f"{oid}: taken from '{real(linked.path / M)}'\n"
        f'{oid}: what was there is now {kept}\n'
        '3 objects needed, all is well\n'
    )
    with Store(three.path / '.git/model').open(oid) as file:
        assert file.header.base is None
    for revision in ('main~2', 'main~1', 'main'):
        three.git('checkout', '-q', revision)
        assert three.run('git', 'model', 'status', '--porcelain').out == ''


def test_it_is_taken_from_a_model_in_another_format(tmp_path: Path) -> None:
    repo = repository.make(tmp_path / 'repo', '*.safetensors', '*.npz')
    save(repo, 1)
    repo.commit('one')
    oid = oid_of(repo, 'a')
    numpy.savez(repo.path / 'same.npz', weights=numbers(1, 1e-3))
    (repo.path / M).unlink()
    damage(repo, oid)
    assert repo.git('model', 'fsck', '--repair').startswith(
        f"{oid}: taken from '{real(repo.path / 'same.npz')}'\n",
    )
    assert len(repo.store()) == 1, 'the rest of that file is not wanted'
    repo.git('checkout', '-q', '--', M)


def test_it_is_taken_from_a_model_that_was_committed_raw(tmp_path: Path) -> None:
    repo = repository.make(tmp_path / 'repo', 'none')
    save(repo, 1)
    repo.commit('raw')
    blob = repo.git('rev-parse', f'HEAD:{M}').strip()
    repo.git('model', 'track', '*.safetensors')
    repo.git('add', '--renormalize', '.')
    repo.commit('converted')
    oid = oid_of(repo, 'a')
    (repo.path / M).unlink()
    damage(repo, oid)
    assert repo.git('model', 'fsck', '--repair').startswith(
        f"{oid}: taken from blob {blob[:12]} ('{M}')\n",
    )
    repo.git('checkout', '-q', '--', M)
    assert repo.status() == ''


@pytest.mark.parametrize('place', ['damaged/{}.1', 'tmp/123-abc'])
def test_it_is_taken_from_what_was_left(three: Repo, place: str) -> None:
    oid = oid_of(three, 'a', 'HEAD~1')
    good = damage(three, oid)
    left = three.path / '.git/model' / place.format(oid[7:])
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(good)
    assert three.git('model', 'fsck', '--repair').startswith(
        f'{oid}: taken from what was set aside\n',
    )


def test_a_base_that_is_lost_costs_only_itself(three: Repo) -> None:
    """What is based on it is taken from where that is; the rest is said, and kept."""
    first, second = (oid_of(three, 'a', f'HEAD~{n}') for n in (2, 1))
    newest = oid_of(three, 'a')
    damage(three, first)
    done = three.run('git', 'model', 'fsck', '--repair', code=1)
    kept = real(three.path / '.git/model') + f'/damaged/{first[7:]}'
    assert done.out == (
        f"{newest}: taken from '{real(three.path / M)}'\n"
        f'{newest}: what was there is now '
        f'{kept.replace(first[7:], newest[7:])}\n'
        f'{first}: what was there is now {kept}\n'
        f"{first}: missing, needed by tensor 'a' of '{M}' in "
        f'{commit_of(three, "HEAD~2")}; 1 object is based on it\n'
        '1 problem found\n'
    )
    three.git('checkout', '-q', '--', M)
    three.save(M, a=numbers(1, 1e-3))
    three.git('add', M)     # it turns up
    assert three.git('model', 'fsck').endswith('all is well\n')
    three.git('checkout', '-q', '-f', 'HEAD~1')
    assert oid_of(three, 'a') == second


def test_what_was_mended_as_others_had_it_is_no_circle(three: Repo) -> None:
    """A remote has the first version as a difference from the second."""
    other = repository.make(three.path.parent / 'other')
    for seed in (2, 1):
        save(other, seed)
        other.commit('other way round')
    first, second = (oid_of(three, 'a', f'HEAD~{n}') for n in (2, 1))
    with Store(other.path / '.git/model').open(first) as file:
        assert file.header.base == second
    three.git('remote', 'add', 'origin', '../other')
    damage(three, first)
    assert three.git('model', 'fsck', '--repair').startswith(
        f"{first}: taken from '{real(other.path / '.git/model')}'\n",
    )
    path_of(three, first).unlink()
    three.git('model', 'fetch', 'origin')
    assert three.git('model', 'fsck') == '3 objects needed, all is well\n'


def test_damage_in_an_alternate_is_said_with_where_to_mend_it(three: Repo) -> None:
    other = Repo(three.path.parent / 'shared')
    three.git('model', 'install', '--skip-repo')
    three.git('clone', '-q', '--shared', str(three.path), str(other.path))
    assert other.store() == set()
    oid = oid_of(three, 'a')
    damage(three, oid)
    done = other.run('git', 'model', 'fsck', code=1)
    store = real(three.path / '.git/model')
    assert done.out == (
        f"{oid}: damaged in '{store}', needed by tensor 'a' of '{M}' in "
        f'{commit_of(three, "HEAD")}\n1 problem found\n'
    )
    assert done.err == (
        f'hint: mend it there too: git -C {real(three.path / ".git")} '
        'model fsck --repair\n'
    )
    assert other.git('model', 'fsck', '--repair').startswith(
        f"{oid}: taken from '{real(other.path / M)}'\n",
    )
    three.git('model', 'fsck', '--repair')
    assert three.git('model', 'fsck').endswith('all is well\n')


def test_a_newer_versions_object_is_left_alone(three: Repo) -> None:
    oid = oid_of(three, 'a')
    path = path_of(three, oid)
    data = bytearray(path.read_bytes())
    data[8] = 2
    data[56] ^= 1
    path.unlink()
    path.write_bytes(data)
    line = (
        f"{oid}: cannot be read: '{real(path)}' was written by a newer git-model, "
        f"needed by tensor 'a' of '{M}' in {commit_of(three, 'HEAD')}"
    )
    one_problem(three, line)
    one_problem(three, line, '--repair')
    assert path.read_bytes() == data


def test_a_partly_damaged_base_is_kept_while_it_is_needed(repo: Repo) -> None:
    """The second version differs in the first chunk only: the rest is not asked for."""
    first = numpy.random.default_rng(1).standard_normal(600_000).astype('float32')
    second = first.copy()
    second[:9] += 1e-3
    second[300_000:] = numpy.random.default_rng(2).standard_normal(300_000)
    repo.save(M, a=first)
    repo.commit('one')
    repo.save(M, a=second)
    repo.commit('two')
    oid = oid_of(repo, 'a', 'HEAD~1')
    damage(repo, oid)
    line = (f"{oid}: damaged, needed by tensor 'a' of '{M}' in "
            f'{commit_of(repo, "HEAD~1")}')
    one_problem(repo, line)
    (repo.path / M).unlink()
    one_problem(repo, line, '--repair')
    repo.git('checkout', '-q', '--', M)
    assert (repo.load()['a'] == second).all()


def test_a_new_version_of_what_is_damaged_can_be_added(three: Repo) -> None:
    damage(three, oid_of(three, 'a'))
    save(three, 4)
    three.commit('four')
    three.git('checkout', '-q', '-f', 'main')
    with Store(three.path / '.git/model').open(oid_of(three, 'a')) as file:
        assert file.header.base is None


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in sorted(folder.rglob('*'))
    }


@pytest.mark.parametrize('where', ['worktree', 'linked', 'bare'])
def test_fsck_only_looks(three: Repo, where: str) -> None:
    oid = oid_of(three, 'a')
    place = three.path.parent / 'place'
    if where == 'linked':
        three.git('worktree', 'add', '-q', '--detach', str(place))
    elif where == 'bare':
        three.git('clone', '-q', '--bare', '.', str(place))
        shutil.copytree(three.path / '.git/model', place / 'model')
    else:
        place = three.path
    store = place / 'model' if where == 'bare' else three.path / '.git/model'
    damage(Repo(three.path), oid)
    if where == 'bare':
        shutil.copyfile(path_of(three, oid), Store(store).path(oid))
    for foreign in ('objects/README', 'objects/ab/junk', 'objects/zz/x', 'other/file'):
        (store / foreign).parent.mkdir(exist_ok=True)
        (store / foreign).write_text('not ours')
    before = snapshot(place), snapshot(store)
    one_problem(Repo(place), (
        f"{oid}: damaged, needed by tensor 'a' of '{M}' in {commit_of(three, 'HEAD')}"
    ))
    assert (snapshot(place), snapshot(store)) == before
    if where == 'bare':
        Store(three.path / '.git/model').path(oid).unlink()
        one = Repo(place).run('git', 'model', 'fsck', '--repair', code=1).out
        assert f'{oid}: missing, needed by' in one
    else:
        out = Repo(place).git('model', 'fsck', '--repair')
        assert out.startswith(f'{oid}: taken from ')


def test_a_diff_and_a_merge_name_the_tensor_that_is_damaged(repo: Repo) -> None:
    repo.fork(*(partial(save, repo, seed) for seed in (1, 2, 3)))
    oid = oid_of(repo, 'a')
    damage(repo, oid)
    said = f'the object {oid} in the store is damaged'
    diff = repo.run('git', 'diff', 'topic', 'main')
    assert diff.err.splitlines()[0] == (
        f"warning: {said}: tensor 'a' of '{M}' is shown without statistics"
    )
    merge = repo.run('git', 'merge', 'topic', code=1)
    assert merge.err.splitlines()[:2] == [
        f'{M}: 1 conflict',
        f'  a: {said} (see what is affected with "git model fsck", mend it with '
        '"git model fsck --repair")',
    ]


@pytest.mark.parametrize('args', [['--objects'], ['HEAD^!'], []])
@pytest.mark.parametrize('newer', [False, True])
def test_what_any_version_needs_is_not_set_aside(
    three: Repo, args: list[str], newer: bool,
) -> None:
    """What is based on something lost may be read again when that turns up."""
    if newer:
        data = three.manifest().replace('v1', 'v2', 1).encode()
        blob = three.git('hash-object', '-w', '--stdin', input=data).strip()
        three.git('update-index', '--add', '--cacheinfo', f'100644,{blob},n.npz')
        three.git('commit', '-q', '-m', 'newer')
    (three.path / M).unlink()
    oids = {line.split(' ')[4] for n in (0, 1, 2) for line in three.manifest(
        revision=f'HEAD~{n + newer}').splitlines() if line.startswith('tensor')}
    first = oid_of(three, 'a', f'HEAD~{2 + newer}')
    good = damage(three, first)
    three.git('model', 'fsck', '--repair', *args, code=1)
    assert three.store() == oids - {first}
    path_of(three, first).write_bytes(good)
    out = three.run('git', 'model', 'fsck', code=int(newer)).out
    assert 'damaged' not in out and 'missing' not in out
