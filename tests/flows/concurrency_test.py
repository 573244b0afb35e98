"""Many processes, worktrees, clones and file systems at once."""
from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import pytest

from git_model_driver.store import places
from git_model_driver.store.objects import Store
from tests.testing.faults import M
from tests.testing.faults import numbers
from tests.testing.faults import stores
from tests.testing.repository import Done
from tests.testing.repository import Repo

PROCESSES = 8
ROUNDS = 3


def version(number: int) -> dict[str, Any]:
    """A model that shares tensors with others, and is near all of them."""
    return {
        'a': numbers(number % 5, 1e-3), 'b': numbers(number % 7, 1e-3),
        'same': numbers(0), 'scale': numpy.float32([number % 3]),
    }


def quiet(done: Done) -> None:
    assert (done.code, done.err) == (0, '')


def check_clean(repo: Repo) -> None:
    assert repo.git('model', 'fsck').endswith('all is well\n')
    assert list((repo.path / '.git/model/tmp').iterdir()) == []


def test_worktrees_add_the_same_things_at_once(repo: Repo, tmp_path: Path) -> None:
    repo.save(M, **version(0))
    repo.commit('start')
    worktrees = [repo]
    for i in range(1, PROCESSES):
        path = tmp_path / f'linked-{i}'
        repo.git('worktree', 'add', '-q', '-b', f'branch-{i}', str(path))
        worktrees.append(Repo(path))
    watcher = tmp_path / 'watcher'
    repo.git('worktree', 'add', '-q', '--detach', str(watcher))
    digests: dict[str, str] = {}

    def work(number: int) -> None:
        mine = worktrees[number]
        for turn in range(ROUNDS):
            mine.save(M, **version(number + turn * 3))
            digest = mine.sha256(M)
            quiet(mine.run('git', 'commit', '-q', '-a', '--allow-empty', '-m', 'more'))
            digests[mine.git('rev-parse', 'HEAD').strip()] = digest

    def watch() -> None:
        told = Repo(watcher)
        while not done.done():
            assert told.git('model', 'fsck').endswith('all is well\n')
            for branch in ('main', 'branch-3', 'branch-6'):
                quiet(told.run('git', 'checkout', '-q', '--detach', branch))

    with ThreadPoolExecutor(PROCESSES + 2) as pool:
        workers = [pool.submit(work, number) for number in range(PROCESSES)]
        done = pool.submit(lambda: [worker.result() for worker in workers])
        watching = pool.submit(watch)
        done.result()
        watching.result()
    check_clean(repo)
    for commit, digest in digests.items():
        quiet(Repo(watcher).run('git', 'checkout', '-q', '--detach', commit))
        assert Repo(watcher).sha256(M) == digest


@pytest.fixture
def shared(repo: Repo, everywhere: None) -> Repo:
    """Two versions, the second in terms of the first."""
    for number in (1, 2):
        repo.save(M, **version(number))
        repo.commit(f'{number}')
    return repo


@pytest.mark.parametrize('option', ['--shared', '--reference'])
def test_a_clone_may_borrow_what_its_objects_are_based_on(
    shared: Repo, tmp_path: Path, option: str,
) -> None:
    options = [option] if option == '--shared' else [option, str(shared.path)]
    borrower = shared.clone(tmp_path / 'borrower', *options)
    assert borrower.store() == set()
    for number in (3, 1, 2, 3):     # of these only the third version is new
        borrower.save(M, **version(number))
        borrower.git('commit', '-q', '-a', '--allow-empty', '-m', f'{number}')
    new = {line.split(' ')[4] for line in borrower.manifest().splitlines()
           if line.startswith('tensor')} - shared.store()
    assert borrower.store() == new and new
    store = Store(borrower.path / '.git/model',
                  lambda: [shared.path / '.git/model'])
    assert any(based(store, oid) for oid in new)
    assert borrower.git('model', 'fsck').endswith('all is well\n')
    borrower.git('push', '-q', 'origin', 'HEAD:refs/heads/from-borrower')
    assert new <= shared.store()
    assert shared.git('model', 'fsck').endswith('all is well\n')


def based(store: Store, oid: Any) -> bool:
    with store.open_here(oid) as file:
        return file.header.base is not None


def test_a_lender_that_is_gone_is_named(shared: Repo, tmp_path: Path) -> None:
    borrower = shared.clone(tmp_path / 'borrower', '--shared')
    borrower.save(M, **version(3))
    borrower.commit('3')
    # Git's own objects stay: only the model store went away with the lender.
    borrower.git('repack', '-q', '-a', '-d')
    borrower.git('remote', 'remove', 'origin')
    shutil.rmtree(shared.path)
    (borrower.path / M).unlink()
    done = borrower.run('git', 'checkout', '--', M)
    lender = os.path.realpath(tmp_path) + '/repo/.git'
    assert f" not in the store: '{M}' stays a manifest\n" in done.err
    fsck = borrower.run('git', 'model', 'fsck', code=1)
    assert ': missing, needed by ' in fsck.out
    for said in (done.err, fsck.err):
        assert f"hint: '{lender}', which this repository borrows from, is gone" in said


def test_a_local_clone_shares_no_fate(shared: Repo, tmp_path: Path) -> None:
    other = shared.clone(tmp_path / 'other', '--local')
    other.git('model', 'fetch')
    shutil.rmtree(shared.path)
    other.git('checkout', '-q', 'HEAD~1')
    assert other.run('git', 'model', 'fsck').out.endswith('all is well\n')


@contextmanager
def another_file_system(path: Path) -> Iterator[Path]:
    """A folder to which nothing can be linked from path."""
    for place in ('/dev/shm', os.environ.get('TMPDIR', '/tmp'), os.getcwd()):
        try:
            with tempfile.TemporaryDirectory(dir=place) as folder:
                if os.stat(folder).st_dev != path.stat().st_dev:
                    yield Path(folder)
                    return
        except OSError:
            continue
    pytest.skip('there is only one file system')


def test_a_store_may_be_on_another_file_system(shared: Repo, tmp_path: Path) -> None:
    with another_file_system(tmp_path) as folder:
        clone = Repo(tmp_path / 'clone')
        shared.git('clone', '-q', '--no-checkout', str(shared.path), str(clone.path))
        (clone.path / '.git/model').symlink_to(folder)
        quiet(clone.run('git', 'reset', '-q', '--hard'))
        clone.git('model', 'fetch')
        inode = {path.stat().st_ino for path in folder.rglob('*')}
        assert not inode & {
            path.stat().st_ino for path in shared.path.rglob('*') if path.is_file()
        }
        clone.save(M, **version(3))
        quiet(clone.run('git', 'commit', '-q', '-a', '-m', '3'))
        clone.git('push', '-q', 'origin', 'HEAD:refs/heads/theirs')
        one = next(folder.glob('objects/*/*'))
        one.chmod(0o644)
        one.write_bytes(one.read_bytes()[:-1])
        clone.git('model', 'fsck', '--repair')
        check_clean(clone)
        assert shared.git('model', 'fsck').endswith('all is well\n')


def test_objects_alone_may_not_be_on_another_file_system(
    shared: Repo, tmp_path: Path,
) -> None:
    with another_file_system(tmp_path) as folder:
        objects = shared.path / '.git/model/objects'
        shutil.copytree(objects, folder, dirs_exist_ok=True)
        shutil.rmtree(objects)
        objects.symlink_to(folder)
        shared.save(M, **version(3))
        store = os.path.realpath(shared.path / '.git/model')
        done = shared.run('git', 'add', M, code=128)
        assert f"is on another file system than '{store}/tmp'\n" in done.err
        assert f"hint: move all of '{store}' there, and link to that\n" in done.err
        check_clean(shared)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing in the folder can be written, by nobody."""
    if os.geteuid():
        for path in (folder, *folder.rglob('*')):
            if path.is_dir():
                path.chmod(0o555)
        yield
        for path in (folder, *folder.rglob('*')):
            if path.is_dir():
                path.chmod(0o755)
        return
    bind = ['mount', '--bind', str(folder), str(folder)]
    try:
        bound = subprocess.run(bind, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        bound = False
    if not bound:
        pytest.skip('root may write everywhere, and cannot mount')
    try:
        subprocess.run(['mount', '-o', 'remount,ro,bind', str(folder)], check=True)
        yield
    finally:
        subprocess.run(['umount', str(folder)], check=True)


def test_a_store_that_can_only_be_read(shared: Repo) -> None:
    shared.git('checkout', '-q', '-b', 'topic', 'HEAD~1')
    shared.save(M, **{**version(1), 'a': version(2)['a']})
    shared.commit('topic')
    shared.git('checkout', '-q', 'main')
    shared.save(M, **{**version(2), 'a': numbers(9, 1e-3)})
    store = shared.path / '.git/model'
    with read_only(store):
        assert shared.git('model', 'fsck').endswith('all is well\n')
        done = shared.run('git', 'add', M, code=128)
        reason = os.strerror(errno.EROFS if os.geteuid() == 0 else errno.EACCES)
        assert done.err.startswith(
            f"error: cannot write to the store '{os.path.realpath(store)}': {reason}\n"
            'hint: see to the space and permissions there ("df -h", "ls -ld"), then '
            'run the command again: nothing was changed\n',
        )
        shared.git('checkout', '-q', '--', M)
        for verb in ('status', 'diff topic', 'log -p', 'checkout -q topic',
                     'checkout -q main', 'model status'):
            quiet(shared.run('git', *verb.split()))
        merge = shared.run('git', 'merge', '-q', '-m', 'merged', 'topic')
        assert merge.err == f'{M}: 2 from ours, 1 changed alike\n'
    check_clean(shared)


def test_quarantined_objects_do_not_confuse_us(shared: Repo, tmp_path: Path) -> None:
    """As receive-pack sets it for hooks: new objects are in a place of their own."""
    quarantine = tmp_path / 'quarantine'
    quarantine.mkdir()
    env = {
        'GIT_OBJECT_DIRECTORY': str(quarantine),
        'GIT_ALTERNATE_OBJECT_DIRECTORIES': str(shared.path / '.git/objects'),
    }
    shared.save(M, **version(3))
    quiet(shared.run('git', 'commit', '-q', '-a', '-m', '3', env=env))
    assert shared.git('model', 'fsck', env=env).endswith('all is well\n')
    assert list(stores(shared)) == [shared.path / '.git/model']
    shared.git('checkout', '-q', '-f', 'HEAD~1', env=env)
    shared.git('checkout', '-q', '-', env=env)


def test_what_another_process_links_is_not_swept(
    shared: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is linked from another store is as old as that, and new in tmp."""
    old = Store(shared.path / '.git/model')
    own = Store(tmp_path / 'own', remotes=lambda: [old.root])
    oid = next(oid for oid in old if not based(old, oid))
    os.utime(old.path(oid), (1, 1))
    with own.batch() as batch:
        with old.open(oid) as file:
            batch.take_over(file)
        with own.batch() as other:
            other.put_bytes(b'makes the other process sweep')
    assert own.has_own(oid)
    monkeypatch.setattr(places, '_ABANDONED_AFTER', -1)
    (own.root / 'tmp/folder/of/a/merge').mkdir(parents=True)
    places.Places(own.root).sweep()
    assert list((own.root / 'tmp').iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can mount')
def test_a_disk_that_is_really_full(repo: Repo, tmp_path: Path) -> None:
    small = tmp_path / 'small'
    small.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip('cannot mount here')
    try:
        (repo.path / '.git/model').symlink_to(small)
        repo.save(M, a=numbers(1))
        repo.commit('fits')
        for size in (200_000, 300_000, 400_000, 1_000_000):
            parts = {f'{i}': numbers(i)[:size // 40] for i in range(9)}
            noise = numpy.random.default_rng(size).bytes(size * 4)
            repo.save(M, big=numpy.frombuffer(noise, 'uint8'), **parts)
            done = repo.run('git', 'add', M, code=None)
            if done.code:
                assert 'No space left on device' in done.err
            assert list((small / 'tmp').iterdir()) == []
            assert repo.git('model', 'fsck').endswith('all is well\n')
        assert done.code == 128
        repo.git('checkout', '-q', '-f', 'HEAD', '--', M)
        assert repo.status() == ''
    finally:
        subprocess.run(['umount', str(small)], check=True)
