"""model.materialize = later: git gets manifests, the models are written at its end."""
from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

import numpy
import pytest

from git_model_driver.store.statcache import StatCache
from tests.flows.names_test import NAMES
from tests.flows.names_test import latin
from tests.testing import expected
from tests.testing import repository
from tests.testing.repository import Git
from tests.testing.repository import Repo

M = 'm.safetensors'
LOCKED = (
    '{}: the index is locked by another git{}\n'
    'hint: wait until it is done; if there is none, '
    'rm "$(git rev-parse --git-path index.lock)"\n'
)
LATER = ('-c', 'model.materialize=later')


class Two(Repo):
    """Two commits of a model, the second one checked out; models are written later."""

    def is_version(self, number: int, status: str = '') -> None:
        """The file is that version, and git needs not look at it to know."""
        assert self.load() == {'x': float(number)}
        assert self.run('git', 'status', '--porcelain').out == status


@pytest.fixture
def two(repo: Repo) -> Two:
    for number in (1, 2):
        repo.save(M, x=float(number))
        repo.commit(str(number))
    repo.git('config', 'model.materialize', 'later')
    return Two(repo.path)


def stand_in(git: Git, name: str = M) -> None:
    """Have the manifest stand for the model, as git wrote it."""
    (git.path / name).unlink(missing_ok=True)
    git.git('checkout', '--', name, env={'GIT_MODEL_SKIP_SMUDGE': '1'})


def silent(git: Git, *args: str) -> None:
    assert git.run('git', *args).err == ''


@pytest.mark.parametrize('command', [
    ('checkout', '-q', 'HEAD~1'), ('switch', '-q', '--detach', 'HEAD~1'),
    ('checkout', '-q', '-b', 'new', 'HEAD~1'), ('reset', '-q', '--hard', 'HEAD~1'),
    ('reset', '-q', '--keep', 'HEAD~1'), ('reset', '-q', '--merge', 'HEAD~1'),
])
def test_moving_to_another_commit_writes_its_models(
    two: Two, command: tuple[str, ...],
) -> None:
    silent(two, *command)
    two.is_version(1)
    silent(two, 'checkout', '-q', '-f', 'main@{1}' if command[0] == 'reset' else 'main')
    two.is_version(2)


@pytest.mark.parametrize('command', [
    ('checkout', '-q', 'HEAD~1', '--', M),
    ('restore', '-s', 'HEAD~1', '--staged', '--worktree', M),
    ('read-tree', '-u', '-m', 'HEAD', 'HEAD~1'),
])
def test_an_old_version_is_staged_and_written(
    two: Two, command: tuple[str, ...],
) -> None:
    silent(two, *command)
    two.is_version(1, f'M  {M}\n')


def test_a_version_that_the_index_has_not_is_written_too(two: Two) -> None:
    silent(two, 'restore', '-s', 'HEAD~1', M)
    two.is_version(1, f' M {M}\n')


@pytest.mark.parametrize('command', [
    ('checkout', '-q', '--', M), ('restore', M), ('checkout', '-q', '-f'),
    ('reset', '-q', '--hard'), ('checkout', '-q', '.'),
])
def test_changes_are_thrown_away(two: Two, command: tuple[str, ...]) -> None:
    two.save(M, x=7.0)
    silent(two, *command)
    two.is_version(2)
    (two.path / M).unlink()
    silent(two, *command)
    two.is_version(2)


def test_a_stash_gives_models_back(two: Two) -> None:
    two.save(M, x=7.0)
    silent(two, 'stash', '-q')
    two.is_version(2)
    silent(two, 'stash', 'pop', '-q')
    two.is_version(7, f' M {M}\n')
    two.git('add', M)
    two.save(M, x=8.0)
    silent(two, 'stash', '-q', '--keep-index')
    two.is_version(7, f'M  {M}\n')
    silent(two, 'reset', '-q', '--hard')
    silent(two, 'stash', 'pop', '-q', '--index')
    two.is_version(8, f'MM {M}\n')


def test_a_stash_goes_on_top_of_manifests(two: Two) -> None:
    two.write('notes', 'old')
    two.commit('notes', 'notes')
    stand_in(two)
    two.write('notes', 'new')
    two.git('stash', '-q')
    two.git('stash', 'pop', '-q')
    assert two.status() == ' M notes\n'
    two.git('commit', '-q', '-a', '-m', 'more notes')
    assert two.manifest() == expected.manifest(x=2.0)


def test_merges_write_what_they_changed(two: Two) -> None:
    two.git('checkout', '-q', '-b', 'topic', 'HEAD~1')
    two.git('merge', '-q', 'main')      # a fast-forward
    two.is_version(2)
    two.save(M, x=4.0)
    two.commit('four')
    two.git('checkout', '-q', 'main')
    two.save(M, x=6.0)
    two.commit('six')
    two.git('merge', '-q', 'topic')
    two.is_version(5)
    two.git('reset', '-q', '--hard', 'HEAD~1')
    two.git('merge', '-q', '--squash', 'topic')
    two.is_version(5, f'M  {M}\n')
    two.git('reset', '-q', '--hard')
    two.git('cherry-pick', 'topic')
    two.is_version(8)
    two.git('revert', '--no-edit', 'HEAD')
    two.is_version(6)


def test_a_merge_in_conflict_leaves_a_manifest_until_it_is_settled(two: Two) -> None:
    two.git('checkout', '-q', '-b', 'topic', 'HEAD~1')
    two.save(M, x=[4.0, 5.0])
    two.save('other.safetensors', y=1.0)
    two.commit('topic')
    two.git('checkout', '-q', 'main')
    two.git('merge', '-q', 'topic', code=1)
    assert '<<<<<<<' in two.read(M).decode()
    assert two.load('other.safetensors') == {'y': 1.0}
    two.git('model', 'resolve', '--theirs', M)
    assert two.load() == {'x': [4.0, 5.0]}
    two.git('commit', '-q', '--no-edit')
    assert two.status() == ''
    two.git('reset', '-q', '--hard', 'HEAD~1')
    two.git('merge', '-q', 'topic', code=1)
    two.git('merge', '--abort')
    two.is_version(2)


def test_a_rebase_writes_a_model_once_at_its_end(two: Two) -> None:
    two.git('checkout', '-q', '-b', 'topic', 'HEAD~1')
    for number in (10, 20, 30):
        two.save(M, x=float(number))
        two.commit(str(number))
    two.write('.git/hooks/post-commit', f'#!/bin/sh\nhead -c 9 {M} >>../seen\n')
    (two.path / '.git/hooks/post-commit').chmod(0o755)
    two.git('rebase', '-q', 'main')
    two.is_version(31)
    assert [two.manifest(revision=f'HEAD~{n}') for n in (2, 1, 0)] == [
        expected.manifest(x=x) for x in (11.0, 21.0, 31.0)
    ]
    assert two.read('../seen') == b'git-model' * 3
    two.git('reset', '-q', '--hard', 'ORIG_HEAD')
    two.git('rebase', '-q', '--apply', 'main')
    two.is_version(31)


def test_what_a_rebase_runs_can_have_the_model_written(two: Two) -> None:
    two.git('checkout', '-q', 'HEAD~1')
    two.git('checkout', '-q', '-b', 'topic')
    two.write('f', 'f')
    two.commit('f')
    two.git('rebase', '-q', 'main', '--exec', f'wc -c <{M} >>../sizes', '--exec',
            f'git model checkout && wc -c <{M} >>../sizes')
    two.is_version(2)
    sizes = list(map(int, two.read('../sizes').split()))
    assert sizes == [len(two.manifest()), len(two.read(M))]


def test_a_model_that_is_gone_by_the_end_is_not_missed(two: Two) -> None:
    two.git('checkout', '-q', '-b', 'topic', 'HEAD~1')
    two.save('sub/n.safetensors', y=1.0)
    two.commit('there')
    two.git('rm', '-q', '-r', 'sub')
    two.git('commit', '-q', '-m', 'gone')
    silent(two, 'rebase', '-q', 'main')
    assert not (two.path / 'sub').exists()
    two.is_version(2)


def test_a_rebase_that_stops_has_written_models(two: Two) -> None:
    two.write('f', 'main')
    two.commit('f')
    two.git('checkout', '-q', '-b', 'topic', 'HEAD~2')
    two.write('f', 'topic')
    two.commit('f')
    two.git('rebase', '-q', 'main', code=1)
    two.is_version(2, 'AA f\n')
    two.git('rebase', '--abort')
    two.is_version(1)


def test_a_clone_has_models_at_once(two: Two, everywhere: None) -> None:
    two.save('sub/n.safetensors', y=3.0)
    two.commit('three')
    clone = two.clone(two.path.parent / 'clone', *LATER)
    assert clone.load() == {'x': 2.0}
    assert clone.load('sub/n.safetensors') == {'y': 3.0}
    assert clone.status() == ''
    assert two.run('git', 'clone', '-q', '--bare', str(two.path), '../bare').err == ''
    two.git('config', '--global', 'model.materialize', 'later')
    two.save(M, x=9.0)
    two.commit('nine')
    silent(clone, 'pull', '-q')
    assert clone.load() == {'x': 9.0}
    clone.git('commit', '-q', '--allow-empty', '-m', 'own')
    two.save(M, x=10.0)
    two.commit('ten')
    silent(clone, 'pull', '-q', '--rebase')
    assert clone.load() == {'x': 10.0}
    assert clone.status() == ''
    bare = {'GIT_DIR': str(two.path / '../bare'), 'GIT_WORK_TREE': '.'}
    (two.path.parent / 'deployed').mkdir()
    deployed = Repo(two.path.parent / 'deployed')
    deployed.git('checkout', '-q', '-f', env=bare)
    assert deployed.load() == {'x': 2.0}
    assert deployed.git('status', '--porcelain', env=bare) == ''


def test_linked_worktrees_and_submodules_have_models(
    two: Two, everywhere: None,
) -> None:
    two.git('config', '--global', 'model.materialize', 'later')
    silent(two, 'worktree', 'add', '-q', '../side', 'HEAD~1')
    side = Two(two.path.parent / 'side')
    side.is_version(1)
    silent(side, 'checkout', '-q', '--detach', 'main')
    side.is_version(2)
    whole = repository.make(two.path.parent / 'whole')
    whole.git('submodule', '--quiet', 'add', str(two.path), 'part')
    part = Two(whole.path / 'part')
    part.is_version(2)
    whole.commit('a part')
    part.git('checkout', '-q', 'HEAD~1')
    whole.git('submodule', '--quiet', 'update')
    part.is_version(2)
    clone = whole.clone(two.path.parent / 'again', '--recurse-submodules')
    Two(clone.path / 'part').is_version(2)


def test_bisecting_finds_models_at_every_step(repo: Repo) -> None:
    repo.git('config', 'model.materialize', 'later')
    for number in range(6):
        repo.save(M, x=float(number))
        repo.commit(str(number))
    repo.write('../judge.py', (
        'from safetensors.numpy import load_file\n'
        f'raise SystemExit(bool(load_file("{M}")["x"] > 2))\n'
    ))
    repo.git('bisect', 'start', 'main', 'main~5')
    repo.git('bisect', 'run', sys.executable, '../judge.py')
    assert repo.git('rev-parse', 'refs/bisect/bad') == repo.git('rev-parse', 'main~2')


def test_names_and_modes_are_gits(repo: Repo) -> None:
    repo.git('config', 'model.materialize', 'later')
    names = ['run.safetensors', *NAMES, latin]
    for number, name in enumerate(names):
        repo.save(name, x=float(number))
        repo.save(f'-a dir/{latin}/{name}', x=number + 0.5)
    (repo.path / 'run.safetensors').chmod(0o755)
    repo.commit('names')
    umask = os.umask(0o027)
    try:
        silent(repo, 'checkout', '-q', 'HEAD~1')
        silent(repo, 'checkout', '-q', 'main')
    finally:
        os.umask(umask)
    for number, name in enumerate(names):
        assert repo.load(name) == {'x': float(number)}
        assert repo.load(f'-a dir/{latin}/{name}') == {'x': number + 0.5}
    assert repo.status() == ''
    modes = [stat.S_IMODE((repo.path / name).stat().st_mode) for name in names[:2]]
    assert modes == [0o750, 0o640]


def test_only_files_from_the_threshold_on_wait(two: Two) -> None:
    two.save('large.safetensors', x=[0.5] * 1000)
    two.commit('large')
    sizes = "$(wc -c <m.safetensors) $(wc -c <large.safetensors)"
    two.write('.git/hooks/post-checkout', f'#!/bin/sh\necho "{sizes}" >>../seen\n')
    (two.path / '.git/hooks/post-checkout').chmod(0o755)
    large = len(two.read('large.safetensors'))
    for threshold, waits in (('1k', True), (str(large), True), (str(large + 1), False),
                             ('4K', False), ('1g', False), ('0', None)):
        (two.path / M).unlink()
        (two.path / 'large.safetensors').unlink()
        (two.path / '../seen').unlink(missing_ok=True)
        two.git('-c', f'model.materializeThreshold={threshold}', 'checkout', '-q', '.')
        small, big = map(int, two.read('../seen').split())
        assert (small == len(two.read(M))) == (waits is not None)
        assert (big == large) == (waits is False)
        assert len(two.read('large.safetensors')) == large
        assert two.status() == ''


@pytest.mark.parametrize(('key', 'value', 'said'), [
    ('model.materialize', 'sometimes',
     "error: 'model.materialize' is 'now' or 'later', not 'sometimes'\n"
     'hint: set it with "git config --global model.materialize later"\n'),
    ('model.materializeThreshold', '1 GB',
     "error: 'model.materializeThreshold' is no number of bytes: '1 GB'\n"
     'hint: set it with "git config --global model.materializeThreshold 1g"\n'),
])
def test_a_value_that_there_is_not_is_an_error(
    two: Two, key: str, value: str, said: str,
) -> None:
    (two.path / M).unlink()
    done = two.run('git', '-c', f'{key}={value}', 'checkout', '--', M, code=128)
    assert done.err.startswith(said)
    two.git('checkout', '-q', '--', M)
    two.is_version(2)


def test_files_of_the_repository_have_no_say(two: Two) -> None:
    two.git('config', '--unset', 'model.materialize')
    two.write('.gitmodel', '[model]\n\tmaterialize = later\n')
    two.write('.git/hooks/post-checkout', f'#!/bin/sh\nwc -c <{M} >../seen\n')
    (two.path / '.git/hooks/post-checkout').chmod(0o755)
    two.git('checkout', '-q', 'HEAD~1')
    assert int(two.read('../seen')) == len(two.read(M))
    two.commit('bad rules', '.gitmodel')
    said = two.run('git', 'model', 'check-rules', code=128).err
    assert "unknown key 'materialize'" in said
    two.git('reset', '-q', '--hard', 'HEAD~1')
    two.git(*LATER, 'model', 'check-rules')     # it is no rule


def test_only_worktree_files_wait(two: Two) -> None:
    two.git('archive', '-o', '../a.tar', 'HEAD')
    two.run('tar', 'xf', '../a.tar', '-C', '..')
    assert two.sha256(f'../{M}') == two.sha256(M)
    name = two.git('checkout-index', '--temp', M).split('\t')[0]
    assert two.sha256(name) == two.sha256(M)
    done = subprocess.run(('git', 'cat-file', '--filters', f'HEAD:{M}'), cwd=two.path,
                          capture_output=True, check=True)
    assert done.stdout == two.read(M)
    assert two.git('diff', 'HEAD~1').count('\n-x F32') == 1


def test_sparse_checkouts_stay_sparse(two: Two) -> None:
    two.save('in/m.safetensors', x=1.0)
    two.save('out/m.safetensors', x=2.0)
    two.commit('folders')
    silent(two, 'sparse-checkout', 'set', 'in')
    assert two.load('in/m.safetensors') == {'x': 1.0}
    assert not (two.path / 'out').exists()
    assert two.status() == ''
    two.git('model', 'checkout')
    assert not (two.path / 'out').exists()
    silent(two, 'sparse-checkout', 'disable')
    assert two.load('out/m.safetensors') == {'x': 2.0}
    assert two.status() == ''
    assert '\nS ' not in '\n' + two.git('ls-files', '-t')


def test_a_file_that_git_is_not_to_look_at_is_only_written(two: Two) -> None:
    two.git('update-index', '--assume-unchanged', M)
    stand_in(two)
    two.git('model', 'checkout')
    two.is_version(2)
    assert two.git('ls-files', '-v', M) == f'h {M}\n'


def test_a_missing_tensor_leaves_that_manifest_and_one_warning(two: Two) -> None:
    two.save('n.safetensors', y=1.0)
    two.commit('other')
    two.lose(expected.oid(2.0))
    for name in (M, 'n.safetensors'):
        (two.path / name).unlink()
    done = two.run('git', 'checkout', '-q', '.')
    assert done.err == (
        f"warning: '{M}' has 1 tensor that is not in the store: "
        f"'{M}' stays a manifest\n"
        f'hint: get what is missing with "git model pull {M}"\n'
    )
    assert two.read(M).decode() == two.manifest()
    assert two.load('n.safetensors') == {'y': 1.0}
    assert two.status() == ''
    marks = [line.split()[1:] for line in two.git('model', 'ls-files').splitlines()]
    assert marks == [['~', M], ['*', 'n.safetensors']]


def test_status_and_listing_know_manifests_that_stand_for_models(two: Two) -> None:
    stand_in(two)
    assert two.status() == ''
    assert two.git('diff') == ''
    assert two.git('model', 'ls-files').split()[1] == '-'
    assert two.git('model', 'status') == (
        'On branch main\nnothing to say about models\n'
    )
    two.git('checkout', '-q', 'HEAD~1')
    two.is_version(1)
    assert two.git('model', 'ls-files').split()[1] == '*'


def test_a_damaged_tensor_gives_no_file(two: Two) -> None:
    digits = expected.oid(2.0).removeprefix('sha256:')
    damaged = two.path / '.git/model/objects' / digits[:2] / digits[2:]
    damaged.chmod(0o644)
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    (two.path / M).unlink()
    done = two.run('git', 'checkout', '-q', '.')
    assert done.err.startswith(
        f"warning: tensor 'x' of '{M}': the object {expected.oid(2.0)} in the store",
    )
    assert two.read(M).decode() == two.manifest()
    assert sorted(f.name for f in two.path.iterdir()) == ['.git', '.gitattributes', M]


def test_a_locked_index_is_told_once_and_the_manifest_stays(two: Two) -> None:
    stand_in(two)
    two.write('.git/index.lock', '')
    done = two.run('git', 'model', 'checkout', code=128)
    assert done.err == LOCKED.format('error', '')
    assert two.read(M).decode() == two.manifest()
    (two.path / '.git/index.lock').unlink()
    assert two.git('model', 'checkout') == 'Wrote 1 model.\n'
    two.is_version(2)


def test_a_lock_that_appears_meanwhile_is_told(two: Two) -> None:
    hook = two.path / '.git/hooks/post-checkout'
    hook.write_text('#!/bin/sh\n: >"$(git rev-parse --git-path index.lock)"\n')
    hook.chmod(0o755)
    done = two.run('git', 'checkout', '-q', 'HEAD~1')
    assert done.err == LOCKED.format('warning', ': a model is still a manifest') + (
        'hint: then write what is a manifest with "git model checkout"\n'
    )
    (two.path / '.git/index.lock').unlink()
    assert two.status() == ''
    two.git('model', 'checkout')
    two.is_version(1)


def test_a_folder_that_became_a_link_is_not_followed(two: Two) -> None:
    two.save('sub/n.safetensors', y=3.0)
    two.commit('sub')
    outside = two.path.parent / 'outside'
    (two.path / 'sub').rename(outside)
    (two.path / 'sub').symlink_to(outside)
    text = two.manifest('sub/n.safetensors')
    (outside / 'n.safetensors').write_text(text)
    done = two.run('git', 'model', 'checkout', code=1)
    assert done.err.startswith("warning: cannot write 'sub/n.safetensors': Not a ")
    assert (outside / 'n.safetensors').read_text() == text
    hook = two.path / '.git/hooks/post-checkout'
    hook.write_text('#!/bin/sh\nrm -rf sub && ln -s ../outside sub\n')
    hook.chmod(0o755)
    two.git('checkout', '-q', '-f', 'HEAD~1')
    two.git('checkout', '-q', '-f', 'main')
    assert (outside / 'n.safetensors').read_text() == text


class Heavy(Repo):
    """A repository with one large model."""

    digest: str


@pytest.fixture
def heavy(repo: Repo) -> Heavy:
    """A model of 64 MiB that is not in the worktree."""
    return with_model(repo, 64 << 20)


def with_model(repo: Repo, nbytes: int) -> Heavy:
    noise = numpy.random.default_rng(1).standard_normal(nbytes // 4, numpy.float32)
    repo.save(M, x=noise)
    repo.commit('large')
    repo.git('config', 'model.materialize', 'later')
    heavy = Heavy(repo.path)
    heavy.digest = repo.sha256(M)
    (repo.path / M).unlink()
    return heavy


def test_killing_leaves_the_manifest_and_nothing_else(heavy: Heavy) -> None:
    stand_in(heavy)
    for delay in (0.1, 0.2, 0.3, 0.4):
        process = subprocess.Popen(('git-model', 'checkout'), cwd=heavy.path)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        (heavy.path / '.git/index.lock').unlink(missing_ok=True)
        if heavy.read(M).decode(errors='replace') != heavy.manifest():
            break       # it was faster
        assert heavy.status() == ''
    heavy.git('model', 'checkout')
    assert heavy.sha256(M) == heavy.digest
    assert heavy.status() == ''


def test_an_interrupt_leaves_the_manifest_and_says_so(heavy: Heavy) -> None:
    hook = heavy.path / '.git/hooks/post-checkout'
    hook.write_text('#!/bin/sh\n: >../hooked\n')
    hook.chmod(0o755)
    process = subprocess.Popen(
        ('git', 'checkout', '-q', '.'), cwd=heavy.path, start_new_session=True,
        stderr=subprocess.PIPE, text=True,
    )
    while not (heavy.path / '../hooked').exists():
        time.sleep(0.01)
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate()[1]
    if heavy.read(M).startswith(b'git-model'):      # else it was faster
        assert said == (
            'warning: interrupted: a model is perhaps still a manifest\n'
            'hint: write what is a manifest with "git model checkout"\n'
        )
    assert heavy.status() == ''
    heavy.git('model', 'checkout')
    assert heavy.sha256(M) == heavy.digest


def test_a_full_disk_leaves_the_manifest_and_nothing_else(heavy: Heavy) -> None:
    command = 'ulimit -f 20000; trap "" XFSZ; exec git checkout -q .'
    done = heavy.run('sh', '-c', command)
    assert done.err == (
        f"warning: cannot write '{M}': File too large: it stays a manifest\n"
        'hint: see to the space and permissions there ("df -h .", "ls -ld ."), then '
        f'write it with "git model checkout {M}"\n'
    )
    assert heavy.read(M).decode() == heavy.manifest()
    assert heavy.status() == ''
    assert sorted(f.name for f in heavy.path.iterdir()) == ['.git', '.gitattributes', M]


def test_git_needs_no_memory_for_the_model(heavy: Heavy) -> None:
    limited = 'ulimit -v 60000; exec git {} checkout -q .'
    assert heavy.run('sh', '-c', limited.format('-c model.materialize=now'),
                     code=None).code != 0
    (heavy.path / M).unlink(missing_ok=True)
    # The filter has more than git: Python with its libraries takes some.
    heavy.git('config', 'filter.model.process', 'ulimit -v 1000000; '
              'exec git-model filter-process')
    heavy.run('sh', '-c', 'ulimit -S -v 60000; exec git checkout -q .')
    assert heavy.sha256(M) == heavy.digest
    assert heavy.status() == ''


@pytest.mark.slow
def test_memory_does_not_grow_with_the_model(repo: Repo) -> None:
    large = with_model(repo, 300 << 20)
    for mode, least, most in (('now', 300, 400), ('later', 0, 100)):
        (large.path / M).unlink(missing_ok=True)
        large.git('config', 'model.materialize', mode)
        assert least < peak(large, 'git', 'checkout', '-q', '.') < most
        assert large.sha256(M) == large.digest
    stand_in(large)
    assert peak(large, 'git', 'model', 'checkout') < 100
    assert large.sha256(M) == large.digest


def peak(git: Git, *command: str) -> int:
    """MiB in memory of the largest process that a command is."""
    program = (
        'import resource, subprocess, sys; '
        'subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); '
        'print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)'
    )
    return int(git.run(sys.executable, '-c', program, *command).out)


def test_a_written_file_is_known_without_taking_it_apart(heavy: Heavy) -> None:
    heavy.git('checkout', '-q', '.')
    cache = StatCache(heavy.path / '.git/model-worktree/clean')
    known = cache.get(M, (heavy.path / M).stat())
    assert known == heavy.manifest().encode()
    heavy.write(M, heavy.read(M)[:-1] + b'x')
    assert heavy.status() == f' M {M}\n'
