"""Tensors on a Git LFS server: push and clone are enough, whatever happens between."""
from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from git_model_driver.core.manifest import oids_in
from git_model_driver.filters.filter import Filter
from git_model_driver.filters.waiting import Waiting
from git_model_driver.store.objects import Store
from tests.testing.lfsserver import Lfs
from tests.testing.lfsserver import lfs
from tests.testing.params import slow_unless
from tests.testing.repository import Repo
from tests.testing.repository import after

M = 'm.safetensors'
LFS = shutil.which('git-lfs') is None


def drawn(seed: int, near: float = 1.0) -> numpy.ndarray:
    base = numpy.random.default_rng(0).standard_normal((90, 70)) * 0.02
    moved = numpy.random.default_rng(seed).standard_normal((90, 70)) * near
    return (base + moved).astype('float32')


def save(repo: Repo, seed: int, name: str = M) -> None:
    repo.save(name, a=drawn(seed, 1e-5), b=drawn(seed + 100, 1e-2), c=drawn(1000))


@pytest.fixture(autouse=True)
def everywhere(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.git('model', 'install')
    monkeypatch.setenv('GIT_ALLOW_PROTOCOL', 'file:http:ssh')
    for key, value in (('maxretries', '3'), ('maxretrydelay', '0')):
        repo.git('config', '--global', f'lfs.transfer.{key}', value)


@pytest.fixture
def bare(repo: Repo, tmp_path: Path) -> Repo:
    (tmp_path / 'srv').mkdir()
    made = Repo(tmp_path / 'srv/bare.git')
    repo.git('init', '-q', '--bare', '-b', 'main', str(made.path))
    made.git('config', 'http.receivepack', 'true')
    return made


@pytest.fixture
def server(bare: Repo) -> Iterator[Lfs]:
    with lfs(bare.path.parent) as made:
        yield made


@pytest.fixture
def told(repo: Repo, server: Lfs) -> Repo:
    """Two commits on main, and the remote "origin"."""
    after(repo, commit_twice)
    repo.git('remote', 'add', 'origin', f'{server.url}/bare.git')
    repo.git('config', 'remote.origin.modelStore', 'lfs')
    return repo


def commit_twice(repo: Repo) -> None:
    for seed in (1, 2):
        save(repo, seed)
        repo.commit(f'version {seed}')


@pytest.fixture
def pushed(told: Repo) -> Repo:
    told.git('push', '-q', '-u', 'origin', 'main')
    return told


@pytest.fixture
def large(told: Repo) -> Repo:
    """Pushed: its last commit has five tensors that are worth a file while they arrive,
    the one before three small ones.
    """
    generator = numpy.random.default_rng(1)
    told.save(M, **{
        name: generator.standard_normal(300_000, 'float32') for name in 'abcde'})
    told.git('add', '.')
    told.git('commit', '-q', '--amend', '-m', 'large')
    told.git('push', '-q', '-u', 'origin', 'main')
    return told


def clone(repo: Repo, server: Lfs, path: Path, *options: str) -> Repo:
    made = Repo(path)
    repo.git('clone', '-q', '-c', 'remote.origin.modelStore=lfs', *options,
             f'{server.url}/bare.git', str(path), code=None)
    return made


def digits(repo: Repo) -> set[str]:
    return {oid.removeprefix('sha256:') for oid in repo.store()}


def test_a_push_and_a_clone_are_enough(
    told: Repo, server: Lfs, tmp_path: Path,
) -> None:
    done = told.run('git', 'push', '-q', '-u', 'origin', 'main')
    assert done.err == "Sent 5 tensors to 'origin' (Git LFS)\n"
    assert server.stored() == digits(told)
    assert server.counts == {'batch': 1, 'put': 5, 'verify': 5}
    bob = clone(told, server, tmp_path / 'bob')
    assert bob.sha256(M) == told.sha256(M)
    assert bob.status() == ''
    bob.git('checkout', '-q', 'HEAD~1')
    told.git('checkout', '-q', 'HEAD~1')
    assert bob.sha256(M) == told.sha256(M)
    assert bob.git('model', 'fsck') == '5 objects needed, all is well\n'
    assert not any((bob.path / '.git/model/tmp').iterdir())


@pytest.mark.parametrize('way', ['http', 'file'])
def test_what_arrives_is_stored_as_it_was(
    told: Repo, server: Lfs, bare: Repo, tmp_path: Path, way: str,
) -> None:
    """Manifests say what it is made of: nothing is guessed, and no way is another."""
    if way == 'file':
        told.git('remote', 'set-url', 'origin', f'file://{bare.path}')
    told.save('n.safetensors', half=drawn(5).astype('float16'), two=drawn(6)[:2],
              one=numpy.arange(9_000, dtype='int64'))
    told.commit('other dtypes')
    told.git('push', '-q', 'origin', 'main')
    url = told.git('remote', 'get-url', 'origin').strip()
    bob = told.clone(tmp_path / 'bob', '-c', 'remote.origin.modelStore=lfs', url=url)
    newest = oids_in(told.manifest()) | oids_in(told.manifest('n.safetensors'))
    assert bob.store() == newest
    stored, known = Store(bob.path / '.git/model'), Store(told.path / '.git/model')
    for oid in newest:
        with stored.open_here(oid) as theirs, known.open_here(oid) as ours:
            assert theirs.header.form == ours.header.form
            assert theirs.header.codec == ours.header.codec


def test_what_lies_in_the_worktree_is_sent_as_it_is(told: Repo, server: Lfs) -> None:
    """Not decoded: what is stored of it might as well be damaged."""
    stored = Store(told.path / '.git/model')
    newest = oids_in(told.manifest(M))
    for oid in newest:
        path = stored.path(oid)
        data = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    told.git('push', '-q', 'origin', 'main')
    assert server.stored() == digits(told)      # which compares what it gets
    save(told, 3)
    told.commit('version 3')
    save(told, 4)       # is not committed
    told.git('push', '-q', 'origin', 'main')
    assert server.stored() == digits(told)


def test_a_merge_goes_there_and_back(
    pushed: Repo, server: Lfs, tmp_path: Path,
) -> None:
    bob = clone(pushed, server, tmp_path / 'bob')
    save(bob, 3)
    bob.commit('bob')
    bob.git('push', '-q')
    save(pushed, 4)
    pushed.commit('ann')
    pushed.git('push', '-q', code=1)
    pushed.git('pull', '-q', '--no-rebase', '--no-edit')
    pushed.git('push', '-q')
    bob.git('pull', '-q')
    assert bob.sha256(M) == pushed.sha256(M)
    assert bob.git('rev-parse', 'HEAD') == pushed.git('rev-parse', 'HEAD')
    carl = clone(pushed, server, tmp_path / 'carl')
    assert carl.sha256(M) == pushed.sha256(M)
    assert carl.git('model', 'fetch').startswith('Got ')
    assert carl.git('model', 'fsck').endswith('all is well\n')


def test_what_is_pushed_again_costs_no_question(
    pushed: Repo, server: Lfs, tmp_path: Path,
) -> None:
    server.counts.clear()
    pushed.git('tag', 'v1')
    assert pushed.run('git', 'push', '-q', 'origin', 'v1', 'main:copy').err == ''
    assert server.counts == {}
    pushed.save(M, a=drawn(2, 1e-5), b=drawn(102, 1e-2), c=drawn(1001))
    pushed.commit('one tensor')
    assert pushed.run('git', 'push', '-q').err == (
        "Sent 1 tensor to 'origin' (Git LFS)\n"
    )
    assert server.counts == {'batch': 1, 'put': 1, 'verify': 1}
    bob = clone(pushed, server, tmp_path / 'bob')
    server.counts.clear()
    bob.git('push', '-q', 'origin', 'HEAD:refs/heads/bobs')
    assert server.counts == {}


def test_another_place_gets_everything(pushed: Repo, server: Lfs) -> None:
    """That the remote's commits are known says nothing of its new LFS server."""
    for file in server.objects.iterdir():
        file.unlink()
    pushed.git('config', 'lfs.url', f'{server.url}/other.git/info/lfs')
    pushed.git('push', '-q', 'origin', 'main:copy')
    assert server.stored() == digits(pushed)


def test_many_tensors_are_few_questions(
    told: Repo, server: Lfs, tmp_path: Path,
) -> None:
    told.save('many.safetensors', **{
        f't{i}': numpy.full(500, i, 'float32') for i in range(150)
    })
    told.git('checkout', '-q', '--orphan', 'many')
    told.git('rm', '-q', '--cached', M)
    told.commit('many', 'many.safetensors')
    told.git('push', '-q', 'origin', 'many')
    assert server.counts == {'batch': 2, 'put': 150, 'verify': 150}
    assert max(len(q['objects']) for q in server.questions) == 100
    server.counts.clear()
    bob = clone(told, server, tmp_path / 'bob', '-b', 'many')
    assert bob.sha256('many.safetensors') == told.sha256('many.safetensors')
    assert server.counts == {'batch': 2, 'get': 150}
    assert server.questions[0] == {
        'operation': 'upload', 'transfers': ['basic'], 'hash_algo': 'sha256',
        'ref': {'name': 'refs/heads/many'}, 'objects': server.questions[0]['objects'],
    }


def test_a_server_that_takes_fewer_at_a_time_gets_fewer(
    told: Repo, server: Lfs,
) -> None:
    server.most = 2
    told.git('push', '-q', 'origin', 'main')
    assert server.stored() == digits(told)


def not_published(repo: Repo, server: Lfs, said: str) -> None:
    """A push fails, says this, and the remote is as it was before."""
    before = repo.git('ls-remote', 'origin')
    done = repo.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert done.err == said + (
        f"error: failed to push some refs to '{server.url}/bare.git'\n"
    )
    assert repo.git('ls-remote', 'origin') == before


SAID = dict([
    (403, 'you may read, but not write there; ask who keeps it, or choose another '
          'place: git config remote.<name>.lfsurl <address>'),
    (404, 'the repository or the tensor is not there, or not for you; see where it is '
          'looked for with "git config --get-regexp lfs"'),
    (413, 'it takes nothing that large; choose another place: '
          'git config remote.<name>.lfsurl <address>'),
    (422, 'it takes the tensor for something else; see whether the store is well '
          'with "git model fsck"'),
    (429, 'you have asked too often; run the command again later: what was sent is '
          'not sent again'),
    (500, 'try again later; where it is looked for: git config --get-regexp lfs'),
    (503, 'try again later; where it is looked for: git config --get-regexp lfs'),
    (507, 'it has no space left; choose another place: '
          'git config remote.<name>.lfsurl <address>'),
])
# Each code of one question, each question with one code; all of all are for --slow.
REFUSALS = [
    pytest.param(
        kind, code,
        marks=() if kind == 'batch' or (kind, code) in (('put', 507), ('verify', 403))
        else pytest.mark.slow,
    )
    for kind in ('batch', 'put', 'verify') for code in SAID
]
PASSING = [
    pytest.param(
        kind, fault,
        marks=() if fault in ('cut', {'batch': 429, 'put': 500, 'verify': 502,
                                      'get': 503}[kind])
        else pytest.mark.slow,
    )
    for kind in ('batch', 'put', 'verify', 'get')
    for fault in (429, 500, 502, 503, 504, 'cut')
    if fault != 'cut' or kind in ('put', 'get')
]


@pytest.mark.parametrize(('kind', 'code'), REFUSALS)
def test_a_refusal_is_told_and_publishes_nothing(
    told: Repo, server: Lfs, kind: str, code: int,
) -> None:
    server.always[kind] = code
    not_published(told, server, (
        f"error: '{server.url}' refuses: told to say {code} ({code})\n"
        f'hint: {SAID[code]}\n'
    ))
    server.always.clear()
    told.git('push', '-q', 'origin', 'main')
    assert server.stored() == digits(told)


@pytest.mark.parametrize(('kind', 'fault'), PASSING)
def test_what_passes_is_tried_again(
    told: Repo, server: Lfs, tmp_path: Path, kind: str, fault: int | str,
) -> None:
    server.faults[kind] = [fault, fault]
    told.git('push', '-q', 'origin', 'main')
    assert server.stored() == digits(told)
    bob = clone(told, server, tmp_path / 'bob')
    assert bob.sha256(M) == told.sha256(M)
    assert server.faults[kind] == []


def test_errors_of_single_objects_are_told(told: Repo, server: Lfs) -> None:
    server.error = {'code': 413, 'message': 'larger than 1 byte'}
    not_published(told, server, (
        f"error: cannot push '{M}': '{server.url}' refuses: larger than 1 byte (413)\n"
        'hint: it takes nothing that large; choose another place: '
        'git config remote.<name>.lfsurl <address>\n'
    ))


def test_a_place_that_is_no_lfs_server_is_told(told: Repo, server: Lfs) -> None:
    server.always['batch'] = 'html'
    not_published(told, server, (
        f"error: '{server.url}' does not answer as an LFS server does: "
        '''AttributeError("'str' object has no attribute 'get'")\n'''
        'hint: say where the LFS server is: git config lfs.url <address>\n'
    ))


def test_waiting_too_long_is_left_to_the_user(told: Repo, server: Lfs) -> None:
    server.retry_after = '3600'
    server.always['batch'] = 429
    not_published(told, server, (
        f"error: '{server.url}' is not to be asked again for 3600 seconds\n"
        'hint: run the command again then: what was sent is not sent again\n'
    ))
    assert server.counts == {'batch': 1}


def test_a_server_that_dies_in_a_push_gets_the_rest_later(
    told: Repo, server: Lfs,
) -> None:
    told.git('config', 'model.concurrentTransfers', '1')
    before = told.git('ls-remote', 'origin')
    told.git('config', 'remote.origin.lfsurl', f'{server.url}/bare.git/info/lfs')
    server.faults['put'] = ['', '', 'kill']
    done = told.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert done.err.startswith(
        f"error: cannot reach '{server.url}': Connection refused\n"
        'hint: see to the connection, then run the command again: what was sent is not '
        'sent again\n',
    )
    sent = server.stored()
    assert len(sent) == 2
    server.start()
    assert told.git('ls-remote', 'origin') == before
    server.counts.clear()
    assert told.run('git', 'push', '-q', 'origin', 'main').err == (
        "Sent 3 tensors to 'origin' (Git LFS)\n"
    )
    assert server.counts['put'] == 3
    assert server.stored() == digits(told)


@pytest.mark.parametrize('command', ['clone', 'fetch'])
def test_a_server_that_dies_while_it_gives_is_asked_for_the_rest_later(
    large: Repo, server: Lfs, tmp_path: Path, command: str,
) -> None:
    large.git('config', '--global', 'model.concurrentTransfers', '1')
    bob = Repo(tmp_path / 'bob')
    if command == 'fetch':
        bob = clone(large, server, bob.path, '--no-checkout')
    server.faults['get'] = ['', 'kill']
    if command == 'fetch':
        done = bob.run('git', 'model', 'fetch', code=128)
        assert done.err.startswith(
            f"warning: cannot reach '{server.url}': Connection refused\n")
        assert 'hint: name another repository: git model fetch <remote>\n' in done.err
    else:
        bob = clone(large, server, bob.path)
        assert bob.read(M).startswith(b'git-model manifest v1\n')
        assert bob.status() == ''
    assert len(bob.store()) == 1        # what had come is kept
    # What a checkout waits for is in memory; a file would be worth more than 8 MiB.
    parts = [part.name[:5] for part in (bob.path / '.git/model/tmp').iterdir()]
    assert parts == (['part-'] if command == 'fetch' else [])
    server.start()
    server.seen.clear()
    assert bob.run('git', 'model', 'fetch').out.startswith('Got 7 tensors.\n')
    assert sum('range' in headers for _, headers in server.seen) == len(parts)
    bob.git('checkout', '-q', 'main')
    bob.git('model', 'checkout')
    assert bob.sha256(M) == large.sha256(M)
    assert not any((bob.path / '.git/model/tmp').iterdir())


def test_without_the_server_there_is_one_warning_and_one_command(
    pushed: Repo, server: Lfs, tmp_path: Path,
) -> None:
    bob = clone(pushed, server, tmp_path / 'bob')
    server.stop()
    done = bob.run('git', 'checkout', '-q', 'HEAD~1')
    assert done.err.count('warning: ') == 1
    assert f"'{M}' stays a manifest\n" in done.err
    assert f'hint: get what is missing with "git model pull {M}"\n' in done.err
    assert bob.status() == ''
    done = bob.run('git', 'model', 'pull', code=128)
    assert f"hint: cannot reach '{server.url}': Connection refused\n" in done.err
    server.start()
    assert bob.git('model', 'pull') == 'Wrote 1 model.\n'
    pushed.git('checkout', '-q', 'HEAD~1')
    assert bob.sha256(M) == pushed.sha256(M)


@pytest.mark.parametrize('fault', ['flip', 'endless'])
def test_other_bytes_get_no_name(
    pushed: Repo, server: Lfs, tmp_path: Path, fault: str,
) -> None:
    server.always['get'] = fault
    bob = clone(pushed, server, tmp_path / 'bob')
    assert bob.read(M).startswith(b'git-model manifest v1\n')
    assert bob.store() == set()
    done = bob.run('git', 'model', 'pull', code=128)
    assert f"hint: '{server.url}' sent other bytes than those of sha256:" in done.err
    server.always.clear()
    assert bob.git('model', 'pull') == 'Wrote 1 model.\n'
    assert bob.sha256(M) == pushed.sha256(M)


def test_what_is_cut_short_is_gone_on_with(
    pushed: Repo, server: Lfs, tmp_path: Path,
) -> None:
    server.faults['get'] = ['cut'] * 4
    bob = clone(pushed, server, tmp_path / 'bob')
    assert bob.sha256(M) == pushed.sha256(M)
    assert sum('range' in headers for _, headers in server.seen) == 4


def test_a_server_that_cannot_go_on_begins_anew(
    pushed: Repo, server: Lfs, tmp_path: Path,
) -> None:
    pushed.git('config', '--global', 'model.concurrentTransfers', '1')
    server.always['get'] = 'no range'
    server.faults['get'] = ['cut']
    bob = clone(pushed, server, tmp_path / 'bob')
    assert bob.sha256(M) == pushed.sha256(M)


def test_a_part_that_is_damaged_is_got_anew(
    large: Repo, server: Lfs, tmp_path: Path,
) -> None:
    bob = clone(large, server, tmp_path / 'bob', '--no-checkout')
    server.always['get'] = 'cut'
    bob.git('model', 'fetch', code=128)
    parts = list((bob.path / '.git/model/tmp').iterdir())
    assert parts
    for part in parts:
        data = bytearray(part.read_bytes())
        data[-1] ^= 1
        part.write_bytes(data)
    server.always.clear()
    assert bob.git('model', 'fetch') == 'Got 8 tensors.\n'
    assert bob.git('model', 'fsck').endswith('all is well\n')


@pytest.mark.parametrize('kind', ['put', 'verify', 'get'])
def test_tokens_that_are_too_old_are_asked_for_again(
    told: Repo, server: Lfs, tmp_path: Path, kind: str,
) -> None:
    told.git('config', '--global', 'model.concurrentTransfers', '1')
    server.faults[kind] = ['', 'late']
    told.git('push', '-q', 'origin', 'main')
    bob = clone(told, server, tmp_path / 'bob')
    assert bob.sha256(M) == told.sha256(M)


def test_what_has_expired_is_not_even_tried(told: Repo, server: Lfs) -> None:
    server.lifetime = 1         # less than a request may take to begin
    told.git('push', '-q', 'origin', 'main')
    assert server.counts == {'batch': 6, 'put': 5, 'verify': 5}


HELPER = '!f() {{ test "$1" = get && echo username=ann && echo password={}; }}; f'


def test_a_password_comes_from_a_credential_helper(
    told: Repo, server: Lfs, tmp_path: Path, pinned: Path,
) -> None:
    server.password = 'ann:s3cret'
    url = server.url
    not_published(told, server, (
        f"error: '{url}' wants a user name and a password: could not read Username for "
        f"'{url}': terminal prompts disabled\n"
        'hint: have Git know them: git config --global credential.helper <helper>, '
        'see "git help credentials"\n'
    ))
    told.git('config', '--global', 'credential.helper', 'store')
    place = url.replace('://', '://ann:wrong@')
    (pinned / '.git-credentials').write_text(f'{place}\n')
    not_published(told, server, (
        f"error: '{url}' does not accept the password of 'ann'\n"
        'hint: have Git know them: git config --global credential.helper <helper>, '
        'see "git help credentials"\n'
    ))
    assert (pinned / '.git-credentials').read_text() == ''      # it was rejected
    (pinned / '.git-credentials').write_text(f'{place.replace("wrong", "s3cret")}\n')
    server.counts.clear()
    told.git('push', '-q', 'origin', 'main')
    assert server.counts == {'batch': 2, 'put': 5, 'verify': 5}
    bob = clone(told, server, tmp_path / 'bob')
    assert bob.sha256(M) == told.sha256(M)
    assert 's3cret' in (pinned / '.git-credentials').read_text()


def test_a_password_may_be_in_the_address(told: Repo, server: Lfs) -> None:
    server.password = 'ann:s3c@et'
    told.git('config', 'lfs.url', f'http://ann:s3c%40et@127.0.0.1:{server.port}'
             '/bare.git/info/lfs')
    told.git('push', '-q', 'origin', 'main')
    assert server.counts == {'batch': 1, 'put': 5, 'verify': 5}
    server.password = 'ann:other'
    save(told, 9)
    told.commit('more')
    done = told.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert "does not accept the password of 'ann'\n" in done.err
    assert 's3c' not in done.err


def test_what_another_server_is_for_stays_secret(
    told: Repo, server: Lfs, tmp_path: Path,
) -> None:
    """Neither name nor headers follow where a server sends us."""
    (tmp_path / 'elsewhere').mkdir()
    told.git('config', f'http.{server.url}.extraHeader', 'X-Secret: s3cret')
    told.git('config', 'lfs.url',
             server.url.replace('://', '://ann:s3cret@') + '/bare.git/info/lfs')
    with lfs(tmp_path / 'elsewhere') as other:
        server.faults['batch'] = [(307, f'{other.url}/info/lfs/objects/batch')]
        told.git('push', '-q', 'origin', 'main')
        assert other.stored() == digits(told)
        assert [kind for kind, _ in server.seen] == ['batch']
        assert server.seen[0][1]['x-secret'] == 's3cret'
        assert server.seen[0][1]['authorization'].startswith('Basic ')
        for _, headers in other.seen:
            assert 'x-secret' not in headers
            assert 'authorization' not in headers or (
                headers['authorization'] == f'RemoteAuth {other.token}'
            )
        assert other.counts['batch'] == 1


@pytest.mark.parametrize('href', ['file:///etc/passwd', 'ftp://host/x', '/etc/passwd'])
def test_a_server_cannot_send_us_to_files(
    pushed: Repo, server: Lfs, tmp_path: Path, href: str,
) -> None:
    server.faults['get'] = [(302, href)] * 3
    bob = clone(pushed, server, tmp_path / 'bob')
    assert bob.read(M).startswith(b'git-model manifest v1\n')
    server.faults.clear()
    server.base = f'file://{tmp_path}'
    done = bob.run('git', 'model', 'pull', code=128)
    assert 'does not answer as an LFS server does' in done.err


def test_a_repository_cannot_send_tensors_to_files(
    told: Repo, server: Lfs, tmp_path: Path,
) -> None:
    told.write('.lfsconfig', f'[lfs]\n\turl = file://{tmp_path}/x\n')
    not_published(told, server, (
        f"error: '.lfsconfig' wants tensors to go to 'file://{tmp_path}/x'\n"
        'hint: if that is meant, say it yourself: git config lfs.url <address>\n'
    ))
    told.write('.lfsconfig', f'[lfs]\n\turl = {server.url}/y.git/info/lfs\n'
               '[core]\n\tsshCommand = false\n')
    told.git('push', '-q', 'origin', 'main')
    assert server.counts['put'] == 5


FAULTY = '''\
#!{python}
import sys
sys.path.insert(0, {root!r})
from tests.testing import injector
injector.install()
from git_model_driver.cli.main import main
sys.exit(main())
'''


@pytest.mark.parametrize('at', slow_unless((2, 14, 26).__contains__, range(2, 40, 6)))
@pytest.mark.parametrize('kind', ['full', 'kill'])
def test_a_fetch_survives_a_full_disk_and_being_killed(
    pushed: Repo, server: Lfs, tmp_path: Path, kind: str, at: int,
) -> None:
    bob = clone(pushed, server, tmp_path / 'bob', '--no-checkout')
    program = tmp_path / 'git-model'
    program.write_text(FAULTY.format(
        python=sys.executable, root=str(Path(__file__).parents[2])))
    program.chmod(0o755)
    done = bob.run(str(program), 'fetch', code=None,
                   env={'GIT_MODEL_FAULT': f'{kind} {at} {tmp_path / "log"}'})
    assert 'Traceback' not in done.err
    if kind == 'full':
        assert done.code == 128
        assert "warning: cannot write to the store '" in done.err
        assert 'No space left on device' in done.err
    server.counts.clear()
    before = len(bob.store())
    assert bob.git('model', 'fetch') == f'Got {5 - before} tensors.\n'
    assert bob.git('model', 'fsck').endswith('all is well\n')
    for left in (bob.path / '.git/model/tmp').iterdir():
        assert kind == 'kill' and not left.name.startswith('part-')


SSH = '''#!/bin/sh
printf '%s\\n' "$*" >> {log}
case "$*" in
*git-lfs-authenticate*) {answer} ;;
esac
while [ "$#" -gt 1 ]; do shift; done
exec sh -c "$1"
'''


def over_ssh(told: Repo, tmp_path: Path, answer: str) -> Path:
    """origin is reached by an ssh that is a script; what it is asked is logged."""
    script, log = tmp_path / 'ssh', tmp_path / 'ssh.log'
    script.write_text(SSH.format(log=log, answer=answer))
    script.chmod(0o755)
    told.git('config', '--global', 'core.sshCommand', str(script))
    told.git('config', '--global', 'ssh.variant', 'ssh')
    told.git('remote', 'set-url', 'origin',
             f'ssh://git@host:2222{tmp_path}/srv/bare.git')
    return log


def test_an_ssh_remote_says_where_its_server_is(
    told: Repo, server: Lfs, tmp_path: Path,
) -> None:
    server.password = 'nobody:knows'
    log = over_ssh(told, tmp_path, (
        f'''echo '{{"href": "{server.url}/bare.git/info/lfs", "header": '''
        f'''{{"Authorization": "RemoteAuth {server.token}"}}, "expires_in": 600}}'; '''
        'exit'
    ))
    told.git('push', '-q', 'origin', 'main')
    asked = [line for line in log.read_text().splitlines() if 'lfs' in line]
    path = f'{tmp_path}/srv/bare.git'
    assert asked == [f'-p 2222 git@host git-lfs-authenticate {path} upload']
    bob = Repo(tmp_path / 'bob')
    told.git('clone', '-q', '-c', 'remote.origin.modelStore=lfs',
             f'ssh://git@host:2222{path}', str(bob.path))
    assert bob.sha256(M) == told.sha256(M)
    assert log.read_text().splitlines()[-1] == (
        f'-p 2222 git@host git-lfs-authenticate {path} download'
    )


def test_an_ssh_remote_that_refuses_is_told(
    told: Repo, server: Lfs, tmp_path: Path,
) -> None:
    over_ssh(told, tmp_path, 'echo "no way for git" >&2; exit 1')
    done = told.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert done.err.startswith(
        "error: 'host' gives no access to its LFS server: no way for git\n"
        'hint: see whether you get in at all: git ls-remote\n',
    )


@pytest.mark.skipif(LFS, reason='git-lfs is not installed')
def test_git_lfs_reads_what_we_wrote_and_we_send_nothing_twice(
    pushed: Repo, server: Lfs, tmp_path: Path,
) -> None:
    made = tmp_path / 'made'
    pushed.git('init', '-q', '-b', 'main', str(made))
    carl = Repo(made)
    carl.git('remote', 'add', 'origin', f'{server.url}/bare.git')
    carl.git('lfs', 'install', '--local')
    carl.git('config', 'lfs.locksverify', 'false')
    carl.git('lfs', 'track', '*.raw')
    sizes = {q['oid']: q['size'] for q in server.questions[0]['objects']}
    for oid, size in sizes.items():
        carl.git('hash-object', '-w', '--stdin', input=b'')
        carl.write(f'{oid}.txt', (
            'version https://git-lfs.github.com/spec/v1\n'
            f'oid sha256:{oid}\nsize {size}\n'
        ))
        carl.git('update-index', '--add', '--cacheinfo', '100644,' + carl.git(
            'hash-object', '-w', '--no-filters', f'{oid}.txt').strip() + f',{oid}.raw')
    carl.git('add', '.gitattributes')
    carl.git('commit', '-q', '-m', 'pointers')
    carl.git('lfs', 'pull')
    for oid in sizes:
        assert carl.sha256(f'{oid}.raw') == oid
    extra = drawn(77)
    carl.write('extra.raw', extra.tobytes())
    carl.git('add', 'extra.raw')
    carl.git('commit', '-q', '-m', 'extra')
    carl.git('push', '-q', 'origin', 'main:carls')
    server.counts.clear()
    pushed.save(M, a=extra)
    pushed.commit('the same tensor')
    pushed.git('push', '-q')
    assert hashlib.sha256(extra.tobytes()).hexdigest() in server.stored()
    assert server.counts == {'batch': 1}


def standalone(repo: Repo, bare: Repo, url: str) -> None:
    repo.git('remote', 'add', 'origin', url)
    repo.git('config', 'remote.origin.modelStore', 'lfs')


@pytest.mark.parametrize('storage', ['', 'elsewhere'])
@pytest.mark.parametrize('scheme', ['file://', ''])
def test_a_directory_needs_no_server(
    repo: Repo, bare: Repo, tmp_path: Path, scheme: str, storage: str,
) -> None:
    if storage:
        bare.git('config', 'lfs.storage', storage)
    save(repo, 1)
    repo.commit('one')
    standalone(repo, bare, f'{scheme}{bare.path}')
    done = repo.run('git', 'push', '-q', 'origin', 'main')
    assert done.err == "Sent 3 tensors to 'origin' (Git LFS)\n"
    folder = bare.path / (storage or 'lfs')
    found = {path.name: path for path in folder.glob('objects/??/??/*')}
    assert found.keys() == digits(repo)
    for name, path in found.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == name
        assert path.parts[-3:-1] == (name[:2], name[2:4])
    assert not any((folder / 'tmp').iterdir())
    bob = Repo(tmp_path / 'bob')
    repo.git('clone', '-q', '-c', 'remote.origin.modelStore=lfs',
             f'{scheme}{bare.path}', str(bob.path))
    assert bob.sha256(M) == repo.sha256(M)
    assert bob.store() == repo.store()


def test_a_damaged_file_in_a_directory_gets_no_name(
    repo: Repo, bare: Repo, tmp_path: Path,
) -> None:
    save(repo, 1)
    repo.commit('one')
    standalone(repo, bare, f'file://{bare.path}')
    repo.git('push', '-q', 'origin', 'main')
    for path in bare.path.glob('lfs/objects/??/??/*'):
        path.chmod(0o600)
        data = bytearray(path.read_bytes())
        data[0] ^= 1
        path.write_bytes(data)
    bob = Repo(tmp_path / 'bob')
    repo.git('clone', '-q', '-c', 'remote.origin.modelStore=lfs',
             f'file://{bare.path}', str(bob.path))
    assert bob.store() == set()
    done = bob.run('git', 'model', 'pull', code=128)
    assert 'hint: see to it there with "git lfs fsck"\n' not in done.out
    assert 'holds other bytes than its name says' in done.err


@pytest.mark.parametrize('place', ['server', 'directory'])
def test_prune_asks_the_server(
    repo: Repo, bare: Repo, server: Lfs, place: str,
) -> None:
    for seed in (1, 2):
        save(repo, seed)
        repo.commit(f'version {seed}')
    standalone(repo, bare, f'file://{bare.path}' if place == 'directory'
               else f'{server.url}/bare.git')
    repo.git('push', '-q', 'origin', 'main')
    kept = (server.objects, bare.path / 'lfs/objects')[place == 'directory']
    (kept.parent / 'away').mkdir()
    shutil.move(str(kept), kept.parent / 'away')
    kept.mkdir()
    done = repo.run('git', 'model', 'prune', '--pushed', '--expire=now', code=1)
    assert done.err.startswith('error: cannot prune 1 object')
    kept.rmdir()
    shutil.move(str(kept.parent / 'away' / kept.name), kept)
    done = repo.run('git', 'model', 'prune', '--pushed', '--expire=now')
    assert done.out.startswith('Removed 1 object')
    repo.git('checkout', '-q', 'HEAD~1')
    assert repo.read(M)[:9] != b'git-model'


def test_a_repository_without_the_remote_is_told(repo: Repo, tmp_path: Path) -> None:
    save(repo, 1)
    repo.commit('one')
    repo.git('remote', 'add', 'origin', 'rsync://host/x')
    repo.git('config', 'remote.origin.modelStore', 'lfs')
    done = repo.run('git', 'model', 'push', 'origin', code=128)
    assert done.err == (
        "error: there is no way to an LFS server from 'rsync://host/x'\n"
        'hint: say where it is: git config lfs.url https://<host>/<path>\n'
    )




@pytest.mark.parametrize('way', ['http', 'file'])
def test_what_a_checkout_waits_for_is_held_until_it_is_written(
    pushed: Repo, bare: Repo, server: Lfs, monkeypatch: pytest.MonkeyPatch, way: str,
) -> None:
    if way == 'file':
        pushed.git('remote', 'set-url', 'origin', f'file://{bare.path}')
        pushed.git('model', 'push', 'origin')
    monkeypatch.chdir(pushed.path)
    pushed.lose()
    store, waiting = Filter().store, Waiting()
    assert waiting.add(M, pushed.manifest().encode(), store)
    assert list(waiting.fetch(store)) == [M]
    for oid in oids_in(pushed.manifest()):
        assert store.recent.pop(oid) == store.read(oid)
