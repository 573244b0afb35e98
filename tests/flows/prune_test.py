"""git model prune, gc and du: nothing that anything needs is lost, the rest goes."""
from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.testing import repository
from tests.testing.repository import Repo

OID = re.compile('sha256:[0-9a-f]{64}')
NOW = ('git', 'model', 'prune', '--expire=now')


@pytest.fixture(autouse=True)
def old_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reflogs say nothing of what was, unless a test wants them to."""
    monkeypatch.setenv('GIT_CONFIG_COUNT', '1')
    monkeypatch.setenv('GIT_CONFIG_KEY_0', 'core.logAllRefUpdates')
    monkeypatch.setenv('GIT_CONFIG_VALUE_0', 'false')


def pruned(repo: Repo, *options: str) -> str:
    return repo.run(*NOW, *options).out


def drop_last(repo: Repo) -> None:
    """As if the last commit had never been."""
    repo.git('reset', '-q', '--hard', 'HEAD~1')
    repo.git('update-ref', '-d', 'ORIG_HEAD')


def save(repo: Repo, a: float, name: str = 'm.safetensors') -> None:
    repo.save(name, a=[a, a], b=[3.0, 4.0])


@pytest.fixture
def two(repo: Repo) -> Repo:
    for value in (1.0, 2.0):
        save(repo, value)
        repo.commit(f'a={value}')
    return repo


def test_a_version_that_nothing_needs_is_removed(two: Repo) -> None:
    before = two.store()
    drop_last(two)
    assert pruned(two, '-n') == 'Would remove 1 object (88 B).\n'
    assert two.store() == before
    gone, = before - needed_by(two)
    assert pruned(two, '-v') == f'{gone} 88\nRemoved 1 object (88 B).\n'
    assert two.store() == before - {gone}
    assert pruned(two) == 'Removed 0 objects (0 B).\n'
    assert two.git('model', 'fsck') == '2 objects needed, all is well\n'


def needed_by(repo: Repo, *revisions: str) -> set[str]:
    return {
        line.rpartition(' ')[2] for revision in revisions or ('HEAD',)
        for line in repo.manifest(revision=revision).splitlines()
        if line.startswith('tensor ')
    }


def test_two_weeks_are_waited(two: Repo) -> None:
    drop_last(two)
    assert two.run('git', 'model', 'prune').out == 'Removed 0 objects (0 B).\n'
    age(two, 13)
    assert two.run('git', 'model', 'prune').out == 'Removed 0 objects (0 B).\n'
    age(two, 15)
    two.git('config', 'model.pruneExpire', 'never')
    assert two.run('git', 'model', 'prune').out == 'Removed 0 objects (0 B).\n'
    two.git('config', '--unset', 'model.pruneExpire')
    assert two.run('git', 'model', 'prune').out == 'Removed 1 object (88 B).\n'


def age(repo: Repo, days: float) -> None:
    then = time.time() - days * 86400
    for file in (repo.path / '.git/model/objects').glob('??/*'):
        os.utime(file, (then, then))


def test_what_is_stored_again_is_wanted_again(two: Repo) -> None:
    drop_last(two)
    age(two, 15)
    save(two, 2.0)
    two.git('add', 'm.safetensors')
    two.git('rm', '-q', '--cached', 'm.safetensors')
    assert two.run('git', 'model', 'prune').out == 'Removed 0 objects (0 B).\n'


def test_what_the_stat_cache_remembers_is_wanted_again(two: Repo) -> None:
    drop_last(two)
    save(two, 2.0)
    os.utime(two.path / 'm.safetensors', (10**9, 10**9))
    two.git('add', 'm.safetensors')
    two.git('reset', '-q', '--mixed')
    age(two, 15)
    two.git('add', 'm.safetensors')
    two.git('reset', '-q', '--mixed')
    assert two.run('git', 'model', 'prune').out == 'Removed 0 objects (0 B).\n'


def branch(repo: Repo) -> None:
    repo.git('branch', 'kept')


def tag(repo: Repo) -> None:
    repo.git('tag', 'kept')


def annotated(repo: Repo) -> None:
    repo.git('tag', '-a', '-m', 'x', 'kept')


def blob_tag(repo: Repo) -> None:
    repo.git('tag', 'kept', 'HEAD:m.safetensors')


def note(repo: Repo) -> None:
    repo.git('update-ref', 'refs/anything/at/all', 'HEAD')


def orig_head(repo: Repo) -> None:
    repo.git('update-ref', 'ORIG_HEAD', 'HEAD')


def reflog(repo: Repo) -> None:
    repo.git('-c', 'core.logAllRefUpdates=true', 'reset', '-q', '--hard', 'HEAD~1')


def staged(repo: Repo) -> None:
    repo.git('reset', '-q', '--soft', 'HEAD~1')


def detached_worktree(repo: Repo) -> None:
    repo.git('worktree', 'add', '-q', '--detach', '../linked')


def index_of_worktree(repo: Repo) -> None:
    repo.git('worktree', 'add', '-q', '--detach', '../linked', 'HEAD~1')
    linked = Repo(repo.path.parent / 'linked')
    save(linked, 2.0)
    linked.git('add', 'm.safetensors')


def bisect_of_worktree(repo: Repo) -> None:
    repo.git('worktree', 'add', '-q', '--detach', '../linked', 'HEAD~1')
    Repo(repo.path.parent / 'linked').git('update-ref', 'refs/bisect/bad', 'main')


def stash(repo: Repo) -> None:
    repo.git('reset', '-q', '--hard', 'HEAD~1')
    save(repo, 2.0)
    repo.git('stash', '-q')


def older_stash(repo: Repo) -> None:
    stash(repo)
    save(repo, 9.0)
    repo.git('-c', 'core.logAllRefUpdates=true', 'stash', '-q')
    assert repo.git('stash', 'list').count('\n') == 2


def replaced(repo: Repo) -> None:
    """Git shows another commit in the place of this one, until that is undone."""
    repo.git('branch', 'kept')
    repo.git('replace', 'kept', 'kept~1')


def packed(repo: Repo) -> None:
    repo.git('branch', 'kept')
    repo.git('pack-refs', '--all')
    repo.git('repack', '-q', '-a', '-d')


KEEPERS = [
    branch, tag, annotated, blob_tag, note, orig_head, reflog, staged,
    detached_worktree, index_of_worktree, bisect_of_worktree, stash, older_stash,
    packed, replaced,
]


@pytest.mark.parametrize('keep', KEEPERS)
def test_what_is_needed_anywhere_is_kept(
    two: Repo, keep: Callable[[Repo], None], monkeypatch: pytest.MonkeyPatch,
) -> None:
    if keep in (stash, older_stash):
        monkeypatch.setenv('GIT_CONFIG_VALUE_0', 'true')
    wanted = needed_by(two, *(['HEAD'] if keep is blob_tag else ['HEAD', 'HEAD~1']))
    keep(two)
    if keep is not staged:
        root = two.git('rev-list', '--max-parents=0', 'HEAD').strip()
        two.git('reset', '-q', '--hard', root)
        if keep is not orig_head:
            two.git('update-ref', '-d', 'ORIG_HEAD')
    if keep in (stash, older_stash):
        monkeypatch.setenv('GIT_CONFIG_VALUE_0', 'false')
    pruned(two)
    assert wanted <= two.store()
    assert two.git('model', 'fsck').endswith('all is well\n')


@pytest.mark.parametrize('command', ['merge', 'rebase', 'cherry-pick', 'am', 'revert'])
def test_what_is_being_done_is_kept(two: Repo, command: str) -> None:
    """In the middle of a conflict, and of its resolution."""
    two.git('config', 'model.merge', 'conflict')
    two.git('config', 'model.apply', 'conflict')
    two.git('checkout', '-q', '-b', 'topic', 'HEAD~1')
    for value in (5.0, 6.0):
        save(two, value)
        two.commit(f'a={value}')
    patches = two.git('format-patch', '--full-index', '--binary', '-1', '--stdout')
    if command == 'merge':
        two.git('merge', 'main', code=1)
    elif command == 'rebase':
        two.git('rebase', 'main', code=1)
    else:
        two.git('checkout', '-q', 'main')
        action = {
            'cherry-pick': ('cherry-pick', 'topic~1', 'topic'),
            'revert': ('revert', '--no-edit', 'topic'), 'am': ('am', '-3'),
        }[command]
        two.run('git', *action, code=None, input=patches.encode())
    assert two.git('ls-files', '-u') != ''
    two.git('branch', '-q', '-D', 'topic', code=None)
    wanted = set(OID.findall(two.read('m.safetensors').decode()))
    pruned(two)
    assert wanted <= two.store()
    two.git('model', 'resolve', '--method=linear', 'm.safetensors', 'a')
    pruned(two)
    assert two.git('model', 'fsck').endswith('all is well\n')
    two.git('add', 'm.safetensors')
    two.git('checkout-index', '-f', '-a')
    assert len(two.load()) == 2


def test_a_tensor_that_a_half_made_resolution_has_is_kept(repo: Repo) -> None:
    repo.git('config', 'model.merge', 'conflict')
    repo.diverge(
        {'a': [1.0], 'b': [1.0]}, {'a': [2.0], 'b': [2.0]}, {'a': [4.0], 'b': [4.0]},
    )
    repo.git('merge', 'topic', code=1)
    repo.git('model', 'resolve', '--method=linear', 'm.safetensors', 'a')
    assert '<<<<<<<' in repo.read('m.safetensors').decode()
    pruned(repo)
    repo.git('model', 'resolve', '--theirs', 'm.safetensors')
    assert repo.load() == {'a': [3.0], 'b': [4.0]}


def test_a_remembered_resolution_is_kept(repo: Repo) -> None:
    repo.git('config', 'rerere.enabled', 'true')
    repo.git('config', 'model.merge', 'conflict')
    repo.diverge({'a': [1.0]}, {'a': [2.0]}, {'a': [4.0]})
    repo.git('merge', 'topic', code=1)
    repo.git('model', 'resolve', '--method=linear', 'm.safetensors')
    repo.commit('merged')
    repo.git('reset', '-q', '--hard', 'HEAD~1')
    pruned(repo)
    repo.git('merge', 'topic', code=1)
    assert repo.load() == {'a': [3.0]}


def test_a_base_of_what_is_needed_is_kept(repo: Repo) -> None:
    values = numpy.random.default_rng(0).standard_normal((200, 300), numpy.float32)
    repo.save('m.safetensors', a=values)
    repo.commit('base')
    base, = needed_by(repo)
    repo.save('m.safetensors', a=values + numpy.float32(1e-4))
    repo.commit('next')
    digest = repo.sha256('m.safetensors')
    repo.git('checkout', '-q', '--orphan', 'alone')
    repo.commit('alone')
    repo.git('branch', '-q', '-D', 'main')
    assert base not in needed_by(repo)
    assert pruned(repo) == 'Removed 0 objects (0 B).\n'
    assert base in repo.store()
    repo.git('rm', '-q', '--cached', 'm.safetensors')
    repo.git('reset', '-q', '--hard')
    assert repo.sha256('m.safetensors') == digest


def test_nothing_is_removed_where_git_cannot_say_what_is_needed(two: Repo) -> None:
    before = two.store()
    tree = two.git('rev-parse', 'HEAD~1^{tree}').strip()
    two.git('reset', '-q', '--hard', 'HEAD')
    (two.path / '.git/objects' / tree[:2] / tree[2:]).unlink()
    done = two.run(*NOW, code=128)
    assert done.err.startswith('error: ') and done.out == ''
    assert two.store() == before


def test_a_bad_date_is_told(two: Repo) -> None:
    assert two.run('git', 'model', 'prune', '--expire=soon', code=129).err == (
        "error: 'soon' is not a date\n"
        'hint: Git knows "2.weeks.ago", "2026-01-31", "now" and "never"\n'
    )


def test_only_one_prunes_at_a_time(two: Repo) -> None:
    import fcntl

    root = os.path.realpath(two.path / '.git/model')
    with open(f'{root}/gc.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in ('prune', 'gc'):
            assert two.run('git', 'model', command, code=128).err == (
                "error: another 'git model gc' or 'git model prune' is at work in "
                f"'{root}'\n"
                'hint: wait until it has ended, then run the command again\n'
            )
    assert two.run('git', 'model', 'prune').code == 0


def test_an_empty_repository_has_nothing_to_prune(repo: Repo) -> None:
    assert pruned(repo) == 'Removed 0 objects (0 B).\n'
    assert repo.git('model', 'gc') == (
        'Looked at 0 objects, encoded 0 better: 0 B became 0 B.\n'
    )
    assert repo.git('model', 'du').splitlines()[-1].split() == ['0', 'B', '0', 'B',
                                                                '0', 'total']


@pytest.fixture
def pushed(two: Repo, tmp_path: Path) -> Repo:
    """Two versions on a remote, a third that is not, nothing in reflogs."""
    two.git('init', '-q', '--bare', str(tmp_path / 'remote.git'))
    two.git('remote', 'add', 'origin', str(tmp_path / 'remote.git'))
    two.git('push', '-q', 'origin', 'main')
    save(two, 7.0)
    two.commit('not pushed')
    save(two, 8.0)
    two.commit('nor this')
    return two


def test_what_is_pushed_may_go(pushed: Repo) -> None:
    first = needed_by(pushed, 'HEAD~3') - needed_by(pushed)
    second = needed_by(pushed, 'HEAD~2') - needed_by(pushed)
    third = needed_by(pushed, 'HEAD~1') - needed_by(pushed)
    assert pruned(pushed, '--pushed') == 'Removed 2 objects (176 B).\n'
    store = pushed.store()
    assert not first & store and not second & store and third <= store
    pushed.git('checkout', '-q', 'HEAD~3')      # it comes from the remote
    assert pushed.load() == {'a': [1.0, 1.0], 'b': [3.0, 4.0]}
    assert pruned(pushed, '--pushed') == 'Removed 0 objects (0 B).\n'
    assert pushed.git('model', 'fsck', code=1).endswith('1 problem found\n')
    pushed.git('model', 'fetch')
    assert pushed.git('model', 'fsck').endswith('all is well\n')


def test_a_tag_and_a_branch_stay_complete(pushed: Repo) -> None:
    pushed.git('tag', 'v1', 'HEAD~3')
    pushed.git('branch', 'old', 'HEAD~2')
    assert pruned(pushed, '--pushed') == 'Removed 0 objects (0 B).\n'


def test_what_the_remote_lacks_is_refused_whole(pushed: Repo, tmp_path: Path) -> None:
    before = pushed.store()
    lost, = needed_by(pushed, 'HEAD~3') - needed_by(pushed, 'HEAD~2')
    Repo(tmp_path / 'remote.git').path.joinpath(
        'model/objects', lost[7:9], lost[9:]).unlink()
    done = pushed.run(*NOW, '--pushed', code=1)
    assert (done.out, done.err) == ('', (
        "error: cannot prune 1 object (88 B): no copy could be verified on 'origin'; "
        'nothing was removed\n'
        'hint: send them first with "git model push origin", or choose another '
        'remote: git config model.pruneRemoteToCheck <name>\n'
        'hint: they are listed by "git model prune --pushed --verify-remote -n -v"; '
        '"git model prune --pushed --force" deletes them anyway\n'
    ))
    assert pushed.store() == before
    listed = pushed.run(*NOW, '--pushed', '--verify-remote', '-n', '-v', code=1)
    assert listed.out == f'{lost} 88\n'
    pushed.git('model', 'push', 'origin')
    assert pruned(pushed, '--pushed') == 'Removed 2 objects (176 B).\n'


def test_a_damaged_copy_is_none(pushed: Repo, tmp_path: Path) -> None:
    lost, = needed_by(pushed, 'HEAD~3') - needed_by(pushed, 'HEAD~2')
    file = tmp_path / 'remote.git/model/objects' / lost[7:9] / lost[9:]
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.chmod(0o600)
    file.unlink()
    file.write_bytes(data)
    assert pushed.run(*NOW, '--pushed', code=1).err.startswith(
        'error: cannot prune 1 object (88 B): ',
    )
    assert pruned(pushed, '--pushed', '--force') == 'Removed 2 objects (176 B).\n'


def test_a_remote_that_cannot_be_read_is_told(pushed: Repo) -> None:
    pushed.git('remote', 'set-url', 'origin', 'https://example.invalid/x')
    done = pushed.run(*NOW, '--pushed', code=128)
    assert done.err.startswith("error: cannot verify what 'origin' has: ")
    assert pruned(pushed) == 'Removed 0 objects (0 B).\n'


def models(repo: Repo) -> Any:
    return json.loads(repo.git('model', 'du', '--json'))


def test_du_says_what_takes_space(two: Repo) -> None:
    two.save('sub/other.safetensors', {'note': 'x'}, a=[1.0, 1.0], b=[3.0, 4.0])
    two.commit('other')
    assert two.git('model', 'du') == (
        'ON DISK   RAW  OBJECTS  MODEL\n'
        '  264 B  24 B        3  m.safetensors\n'
        '  176 B  16 B        2  sub/other.safetensors\n'
        '  264 B  24 B        3  total\n'
    )
    assert two.git('model', 'du', 'm.safetensors') == (
        'ON DISK   RAW  OBJECTS  TENSOR\n'
        '  176 B  16 B        2  a\n'
        '   88 B   8 B        1  b\n'
        '  264 B  24 B        3  total\n'
    )
    assert two.git('model', 'du', '-r', 'HEAD~2', 'm.safetensors').endswith(
        '  176 B  16 B        2  total\n',
    )
    two.lose(*(needed_by(two, 'HEAD') - needed_by(two, 'HEAD~2')))
    assert models(two)['total'] == {
        'name': 'total', 'objects': 3, 'raw': 16, 'stored': 176, 'missing': 1,
    }
    assert '(1 not here)' in two.git('model', 'du')


def test_du_says_what_nothing_needs(two: Repo) -> None:
    drop_last(two)
    assert two.git('model', 'du').splitlines()[-1] == (
        '1 object (88 B) that nothing needs: see "git model prune -n"'
    )
    assert two.run('git', 'model', 'du', 'nothing', code=128).err == (
        "error: no version of 'nothing' is a model\n"
        'hint: see which there are with "git model du"\n'
    )


def test_a_bare_repository_is_pruned_too(two: Repo, tmp_path: Path) -> None:
    two.git('init', '-q', '--bare', str(tmp_path / 'remote.git'))
    two.git('push', '-q', str(tmp_path / 'remote.git'), 'main', 'main:old')
    bare = Repo(tmp_path / 'remote.git')
    for name in ('main', 'old'):
        bare.git('update-ref', f'refs/heads/{name}', two.git(
            'rev-parse', 'main~1').strip())
    assert pruned(bare) == 'Removed 1 object (88 B).\n'
    assert bare.git('model', 'fsck') == '2 objects needed, all is well\n'


def test_a_linked_worktree_prunes_for_all(two: Repo) -> None:
    two.git('worktree', 'add', '-q', '--detach', '../linked', 'HEAD~1')
    linked = Repo(two.path.parent / 'linked')
    save(two, 11.0)
    two.git('add', 'm.safetensors')
    assert pruned(linked) == 'Removed 0 objects (0 B).\n'


def test_a_submodule_is_pruned(two: Repo, tmp_path: Path) -> None:
    top = repository.make(tmp_path / 'top')
    top.git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add',
            str(two.path), 'sub')
    sub = Repo(top.path / 'sub')
    sub.git('model', 'install', '--local')
    sub.git('model', 'fetch')
    sub.git('model', 'pull')
    sub.git('config', 'model.merge', 'conflict')
    save(sub, 12.0)
    sub.git('add', 'm.safetensors')
    assert pruned(sub) == 'Removed 0 objects (0 B).\n'
    sub.git('stash', '-q')
    assert sub.git('model', 'fsck') == '4 objects needed, all is well\n'
