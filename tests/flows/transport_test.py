"""Models between repositories: clone, fetch, pull, push, bundles, submodules."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.testing import expected
from tests.testing.repository import Git
from tests.testing.repository import Repo
from tests.testing.repository import after

M = 'm.safetensors'
FIRST: dict[str, Any] = {'a': 1.0, 'b': [1.0, 2.0]}
SECOND: dict[str, Any] = {'a': 1.0, 'b': [3.0, 2.0]}
EVERY = {expected.oid(x) for x in (1.0, [1.0, 2.0], [3.0, 2.0])}

pytestmark = pytest.mark.usefixtures('everywhere')


@pytest.fixture
def told(repo: Repo) -> Repo:
    """Two commits on main."""
    return after(repo, commit_twice)


def commit_twice(repo: Repo) -> None:
    repo.save(M, **FIRST)
    repo.commit('first')
    repo.save(M, **SECOND)
    repo.commit('second')


@pytest.fixture
def bare(told: Repo, tmp_path: Path) -> Repo:
    """A bare repository that told has as its origin, and has pushed main to."""
    told.git('init', '-q', '--bare', '-b', 'main', '../bare.git')
    told.git('remote', 'add', 'origin', '../bare.git')
    told.git('push', '-q', '-u', 'origin', 'main')
    return Repo(tmp_path / 'bare.git')


def stored(bare: Repo) -> set[str]:
    """The oids in the store of a bare repository."""
    folder = bare.path / 'model' / 'objects'
    return {f'sha256:{f.parent.name}{f.name}' for f in folder.glob('??/*')}


def member(bare: Repo, name: str) -> Repo:
    """A clone whose pushes send tensors."""
    clone = bare.clone(bare.path.parent / name)
    clone.git('model', 'install', '--local')
    return clone


@pytest.mark.parametrize(('options', 'scheme'), [
    ((), ''), ((), 'file://'), (('--shared',), ''), (('--depth=1',), 'file://'),
    (('--filter=blob:none',), 'file://'), (('--dissociate', '--reference=.'), ''),
    *(pytest.param(*way, marks=pytest.mark.slow) for way in (
        (('-c', 'protocol.version=0'), 'file://'),
        (('-c', 'protocol.version=2'), 'file://'),
        (('--no-hardlinks',), ''), (('--no-checkout',), ''),
        (('--single-branch', '-b', 'main'), 'file://'),
        (('--separate-git-dir=../apart',), ''),
    )),
])
def test_a_clone_has_the_same_bytes(
    told: Repo, tmp_path: Path, options: tuple[str, ...], scheme: str,
) -> None:
    told.git('config', 'uploadpack.allowFilter', 'true')
    url = f'{scheme}{told.path}'
    clone = told.clone(tmp_path / 'clone', *options, url=url)
    if '--no-checkout' in options:
        clone.git('checkout', '-q')
    assert clone.sha256(M) == told.sha256(M)
    assert clone.status() == ''
    if '--depth=1' not in options:
        clone.git('checkout', '-q', 'HEAD~1')
        assert clone.load() == FIRST
        clone.git('model', 'fsck')


def test_a_push_takes_the_tensors_along_once(told: Repo, bare: Repo) -> None:
    assert stored(bare) == EVERY
    assert told.run('git', 'push').err == 'Everything up-to-date\n'
    told.save(M, a=9.0, b=[3.0, 2.0])
    told.commit('third')
    done = told.run('git', 'push', '-q')
    assert done.err == f'Sent 1 tensor to {bare.path / "model"}\n'
    assert stored(bare) == {*EVERY, expected.oid(9.0)}
    for command in (('tag', 't'), ('push', '-q', 'origin', 't', 'main:copy'),
                    ('push', '-q', 'origin', '--delete', 'copy')):
        assert told.run('git', *command).err == ''
    clone = bare.clone(told.path.parent / 'clone')
    assert clone.sha256(M) == told.sha256(M)


def damage(repo: Repo, oid: str) -> Path:
    """One bit of an object is another."""
    file = repo.path / '.git/model/objects' / oid[7:9] / oid[9:]
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)
    return file


def test_an_object_that_was_written_to_is_not_pushed(told: Repo, bare: Repo) -> None:
    told.save(M, a=9.0, b=[3.0, 2.0])
    told.commit('third')
    damage(told, expected.oid(9.0))
    done = told.run('git', 'push', '-q', code=1)
    assert done.err.startswith(
        f'error: the object {expected.oid(9.0)} in the store is damaged\n'
    )
    assert stored(bare) == EVERY
    assert bare.git('log', '-1', '--format=%s', 'main') == 'second\n'
    told.git('model', 'fsck', '--repair')
    told.git('push', '-q')
    assert bare.clone(told.path.parent / 'clone').sha256(M) == told.sha256(M)


def test_an_object_as_it_was_written_is_linked_unread(told: Repo, bare: Repo) -> None:
    """What the disk has lost since, both sides have lost: fsck reads it."""
    told.save(M, a=9.0, b=[3.0, 2.0])
    told.commit('third')
    oid = expected.oid(9.0)
    before = (told.path / '.git/model/objects' / oid[7:9] / oid[9:]).stat()
    file = damage(told, oid)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    told.git('push', '-q')
    there = bare.path / 'model/objects' / oid[7:9] / oid[9:]
    assert there.samefile(file)
    assert f'{oid}' in Git(bare.path).run('git', 'model', 'fsck', code=1).out


def test_everything_can_be_pushed_to_a_new_remote(told: Repo, tmp_path: Path) -> None:
    told.git('checkout', '-q', '-b', 'side', 'main~1')
    told.save(M, x=7.0)
    told.commit('side')
    told.git('tag', '-a', 'v1', '-m', 'one')
    told.git('init', '-q', '--bare', '-b', 'main', '../new.git')
    told.git('push', '-q', '--mirror', f'file://{tmp_path}/new.git')
    assert stored(Repo(tmp_path / 'new.git')) == {*EVERY, expected.oid(7.0)}


def test_a_push_of_one_branch_takes_only_what_it_needs(
    told: Repo, tmp_path: Path,
) -> None:
    told.git('init', '-q', '--bare', '-b', 'main', '../new.git')
    told.git('push', '-q', '../new.git', 'main~1:refs/heads/main')
    assert stored(Repo(tmp_path / 'new.git')) == (
        {expected.oid(values) for values in FIRST.values()}
    )


def test_a_rejected_push_loses_nothing(told: Repo, bare: Repo) -> None:
    bob = member(bare, 'bob')
    bob.save(M, x=4.0)
    bob.commit('bob')
    bob.git('push', '-q')
    told.save(M, x=5.0)
    told.commit('told')
    told.git('push', '-q', code=1)
    told.git('push', '-q', '--force')
    assert {expected.oid(4.0), expected.oid(5.0)} <= stored(bare)
    bob.git('fetch', '-q')
    bob.git('reset', '-q', '--hard', 'origin/main')
    assert bob.load() == {'x': 5.0}


@pytest.mark.parametrize(('option', 'b', 'subjects'), [
    ('--no-rebase', [4.0, 6.0], ['merged', 'bob', 'ann', 'second', 'first']),
    ('--rebase', [5.0, 10.0], ['bob', 'ann', 'second', 'first']),
])
def test_a_pull_merges_or_adds_and_a_push_brings_it_back(
    told: Repo, bare: Repo, option: str, b: list[float], subjects: list[str],
) -> None:
    bob = member(bare, 'bob')
    told.save(M, a=1.0, b=[3.0, 4.0])
    told.commit('ann')
    told.git('push', '-q')
    bob.save(M, a=2.0, b=[5.0, 8.0])
    bob.commit('bob')
    bob.git('push', '-q', code=1)
    bob.git('pull', '-q', option)
    assert bob.load() == {'a': 2.0, 'b': b}
    assert bob.status() == ''
    bob.git('push', '-q')
    told.git('pull', '-q', '--ff-only')
    assert told.sha256(M) == bob.sha256(M)
    log = ['merged' if s.startswith('Merge ') else s for s in told.subjects()]
    assert sorted(log[:-1]) == sorted(subjects)
    told.git('model', 'fsck', 'HEAD^!')


def test_a_fetch_leaves_the_worktree_and_can_be_looked_at(
    told: Repo, bare: Repo,
) -> None:
    bob = member(bare, 'bob')
    told.save(M, a=1.0, b=[7.0, 2.0])
    told.commit('third')
    told.git('push', '-q')
    bob.git('fetch', '-q')
    assert bob.load() == SECOND
    assert f'+{expected.shown("b", [7.0, 2.0])}' in bob.git('diff', 'HEAD..origin/main')
    bob.git('merge', '-q', 'FETCH_HEAD')
    assert bob.sha256(M) == told.sha256(M)
    told.git('branch', 'old', 'main~1')
    bob.git('fetch', '-q', '../repo', 'old:old')
    bob.git('checkout', '-q', 'old')
    assert bob.load() == SECOND


def add_origin(repo: Repo, tmp_path: Path, kind: str) -> str:
    """An empty one, whose modelStore is returned."""
    (tmp_path / 'share').mkdir()
    repo.git('init', '-q', '--bare', '-b', 'main', '../bare.git')
    repo.git('remote', 'add', 'origin', '../bare.git')
    store = kind.format(share=tmp_path / 'share')
    repo.git('config', 'remote.origin.modelStore', store)
    return store


@pytest.mark.parametrize('kind', ['git', 'directory', '{share}', 'memory://damaged'])
def test_what_is_damaged_here_is_not_published(
    repo: Repo, tmp_path: Path, kind: str,
) -> None:
    store = add_origin(repo, tmp_path, kind)
    repo.save(M, a=list(range(500)))
    oid = expected.oid(list(range(500)))
    repo.commit('first')
    path = repo.path / '.git/model/objects' / oid[7:9] / oid[9:]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    done = repo.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert done.err == (
        f'error: the object {oid} in the store is damaged\n'
        'hint: see what is affected with "git model fsck", mend it with "git model '
        'fsck --repair"\n'
        "error: failed to push some refs to '../bare.git'\n"
    )
    bare = Repo(tmp_path / 'bare.git')
    assert bare.git('for-each-ref') == '' and stored(bare) == set()
    assert not list((tmp_path / 'share').rglob('objects/??/*'))
    repo.git('model', 'fsck', '--repair', code=None)
    repo.git('push', '-q', 'origin', 'main')
    if not kind.startswith('memory'):       # that of another process
        setting = f'remote.origin.modelStore={store}'
        clone = repo.clone(tmp_path / 'clone', '-c', setting, url=str(bare.path))
        assert clone.sha256(M) == repo.sha256(M)


@pytest.mark.parametrize(('scope', 'own', 'sent'), [
    ('--local', True, 0), ('--global', True, 3), ('--local', False, 3),
])
def test_an_address_has_settings_of_its_own_or_of_the_remote_it_is_of(
    told: Repo, tmp_path: Path, scope: str, own: bool, sent: int,
) -> None:
    """As "git remote get-url" knows remotes: those of the repository itself."""
    (tmp_path / 'share').mkdir()
    url = str(tmp_path / 'bare.git')
    told.git('init', '-q', '--bare', '-b', 'main', url)
    told.git('remote', 'add', 'origin', url)
    told.git('config', 'remote.origin.modelStore', str(tmp_path / 'share'))
    if own:
        told.git('config', scope, f'remote.{url}.modelStore', 'none')
    told.git('push', '-q', url, 'main')
    assert len(list((tmp_path / 'share').glob('objects/??/*'))) == sent
    if own:
        told.git('config', scope, '--remove-section', f'remote.{url}')


@pytest.mark.parametrize('kind', ['git', 'directory', '{share}'])
def test_a_file_may_be_called_as_a_branch(
    told: Repo, tmp_path: Path, kind: str,
) -> None:
    store = add_origin(told, tmp_path, kind)
    told.write('main', 'a file\n')
    told.commit('a file called main')
    told.git('push', '-q', '--no-verify', 'origin', 'main')
    sent = told.git('model', 'push', 'origin', 'main')
    assert sent.startswith('Sent 3 tensors to ')
    setting = f'remote.origin.modelStore={store}'
    clone = told.clone(tmp_path / 'clone', '-c', setting, url=f'{tmp_path}/bare.git')
    assert clone.sha256(M) == told.sha256(M)


def test_a_clone_lives_on_when_its_source_is_gone(told: Repo, tmp_path: Path) -> None:
    clone = told.clone(tmp_path / 'clone')
    told.path.rename(tmp_path / 'gone')
    done = clone.run('git', 'checkout', 'HEAD~1')
    assert f"'{M}' stays a manifest\n" in done.err
    assert f'hint: get what is missing with "git model pull {M}"\n' in done.err
    assert clone.read(M).decode() == expected.manifest(**FIRST)
    assert clone.status() == ''
    done = clone.run('git', 'model', 'pull', code=128)
    assert done.err.startswith('error: ')
    clone.git('checkout', '-q', 'main')
    assert clone.load() == SECOND
    clone.git('checkout', '-q', 'HEAD~1')
    (tmp_path / 'gone').rename(told.path)
    assert clone.git('model', 'pull') == 'Wrote 1 model.\n'
    assert clone.load() == FIRST
    assert clone.status() == ''


def test_a_clone_of_a_push_without_tensors_explains_itself(
    told: Repo, tmp_path: Path,
) -> None:
    told.git('init', '-q', '--bare', '-b', 'main', '../new.git')
    told.git('push', '-q', '--no-verify', '../new.git', 'main')
    new = Repo(tmp_path / 'new.git')
    clone = Repo(tmp_path / 'clone')
    done = told.run('git', 'clone', str(new.path), str(clone.path))
    assert f"'{M}' stays a manifest\n" in done.err
    assert clone.status() == ''
    clone.git('remote', 'add', 'ann', str(told.path))
    assert clone.git('model', 'pull') == 'Wrote 1 model.\n'
    assert clone.sha256(M) == told.sha256(M)


def test_a_bundle_brings_commits_whose_tensors_come_from_a_remote(
    told: Repo, tmp_path: Path,
) -> None:
    told.git('bundle', 'create', '-q', '../all.bundle', '--all')
    told.git('bundle', 'verify', '-q', '../all.bundle')
    clone = told.clone(tmp_path / 'clone', url='../all.bundle')
    assert clone.read(M).decode() == expected.manifest(**SECOND)
    assert clone.status() == ''
    clone.git('remote', 'set-url', 'origin', str(told.path))
    clone.git('model', 'pull')
    assert clone.sha256(M) == told.sha256(M)
    told.save(M, x=5.0)
    told.commit('third')
    told.git('bundle', 'create', '-q', '../new.bundle', 'main~1..main')
    clone.git('pull', '-q', '../new.bundle', 'main')
    assert clone.load() == {'x': 5.0}


def test_a_submodule_has_a_store_of_its_own(told: Repo, tmp_path: Path) -> None:
    outer = Git(tmp_path / 'outer')
    outer.path.mkdir()
    outer.git('init', '-q', '-b', 'main')
    outer.git('submodule', '--quiet', 'add', str(told.path), 'sub')
    outer.git('commit', '-q', '-m', 'submodule')
    assert outer.sha256('sub/m.safetensors') == told.sha256(M)
    assert (outer.path / '.git/modules/sub/model/objects').is_dir()
    told.save(M, x=5.0)
    told.commit('third')
    outer.git('submodule', '--quiet', 'update', '--remote')
    assert Repo(outer.path / 'sub').load() == {'x': 5.0}
    assert outer.git('diff', '--submodule=log').endswith('> third\n')
    outer.git('commit', '-q', '-a', '-m', 'newer')
    outer.git('clone', '-q', '--recurse-submodules', '.', '../copy')
    copy = Repo(tmp_path / 'copy' / 'sub')
    assert copy.sha256(M) == told.sha256(M)
    assert copy.status() == ''


def test_history_exported_and_imported_keeps_the_models(
    told: Repo, tmp_path: Path,
) -> None:
    exported = told.git('fast-export', '--all')
    told.git('init', '-q', '-b', 'main', '../imported')
    imported = Repo(tmp_path / 'imported')
    imported.git('remote', 'add', 'origin', '../repo')
    imported.git('fast-import', '--quiet', input=exported.encode())
    imported.git('reset', '-q', '--hard', 'main')
    assert imported.sha256(M) == told.sha256(M)


def test_history_filtered_by_git_filter_repo_keeps_the_models(
    told: Repo, bare: Repo, tmp_path: Path,
) -> None:
    """Other commits, another path: the manifests are the same, and so are the oids."""
    told.git('model', 'install')
    clone = member(bare, 'filtered')
    before = clone.sha256(M), clone.git('rev-parse', 'HEAD')
    clone.git('filter-repo', '--path', M, '--path', '.gitattributes',
              '--path-rename', f'{M}:a dir/ü "q".safetensors',
              '--message-callback', 'return message + b" (new)"')
    assert clone.git('rev-parse', 'HEAD') != before[1]
    assert clone.sha256('a dir/ü "q".safetensors') == before[0]
    assert clone.status() == ''
    told.git('init', '-q', '--bare', '-b', 'main', '../new.git')
    clone.git('remote', 'add', 'origin', '../new.git')      # the old one is gone
    done = clone.run('git', 'push', '-q', '-u', 'origin', 'main', code=1)
    assert 'git model fetch <repository>' in done.err
    clone.git('model', 'fetch', str(bare.path))
    assert clone.git('model', 'fsck').endswith('all is well\n')
    clone.git('push', '-q', '-u', 'origin', 'main')
    again = Repo(tmp_path / 'new.git').clone(tmp_path / 'again')
    assert again.sha256('a dir/ü "q".safetensors') == before[0]


def test_git_replace_and_notes_and_describe_know_nothing_of_models(told: Repo) -> None:
    told.git('replace', 'main', 'main~1')
    assert told.status() == f'M  {M}\n'
    told.git('replace', '-d', 'main')
    told.git('notes', 'add', '-m', 'fine', f'main:{M}')
    assert told.git('notes', 'show', f'main:{M}') == 'fine\n'
    assert told.status() == ''


def test_a_mirror_serves_what_its_source_has(told: Repo, tmp_path: Path) -> None:
    told.git('clone', '-q', '--mirror', '.', '../mirror.git')
    clone = told.clone(tmp_path / 'clone', url='../mirror.git')
    assert clone.sha256(M) == told.sha256(M)


def test_tensors_can_be_sent_after_the_commits(told: Repo, tmp_path: Path) -> None:
    told.git('init', '-q', '--bare', '-b', 'main', '../new.git')
    told.git('remote', 'add', 'new', '../new.git')
    told.git('push', '-q', '--no-verify', 'new', 'main')
    assert stored(Repo(tmp_path / 'new.git')) == set()
    told.git('model', 'push', 'new')
    assert stored(Repo(tmp_path / 'new.git')) == EVERY
