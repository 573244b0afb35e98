"""Tensors in a directory or in object storage: what travels, and what may go wrong."""
from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from tests.testing import depots
from tests.testing import remotes
from tests.testing import s3
from tests.testing.depots import Bucket
from tests.testing.depots import Folder
from tests.testing.repository import Repo

M = 'm.safetensors'
KEY = '0123456789abcdef' * 4
OTHER = 'f' * 64
NEW_KEY = 'openssl rand -hex 32'


PLAIN_IF_SLOW = pytest.mark.parametrize('sealed', [
    pytest.param(False, id='plain', marks=pytest.mark.slow),
    pytest.param(True, id='sealed'),
])


@pytest.fixture(scope='module')
def server() -> Iterator[s3.Server]:
    with s3.served() as running:
        yield running


@pytest.fixture
def bucket(server: s3.Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv('AWS_PROFILE', raising=False)
    return Bucket(server)


@pytest.fixture
def share(tmp_path: Path) -> Folder:
    (tmp_path / 'share').mkdir()
    return Folder(tmp_path / 'share')


@pytest.fixture(autouse=True)
def everywhere(repo: Repo, tmp_path: Path) -> None:
    repo.git('model', 'install')
    repo.git('init', '-q', '--bare', '-b', 'main', str(tmp_path / 'bare.git'))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / 'key', KEY)


def write_key(path: Path, digits: str) -> Path:
    path.write_text(f'{digits}\n')
    path.chmod(0o600)
    return path


def drawn(seed: int, near: float = 0.0) -> numpy.ndarray:
    base = numpy.random.default_rng(0).standard_normal((90, 70)) * 0.02
    moved = numpy.random.default_rng(seed).standard_normal((90, 70)) * near
    return (base + moved).astype('float32')


def save(repo: Repo, seed: int, name: str = M) -> None:
    repo.save(name, a=drawn(seed, 1e-5), b=drawn(seed + 100, 1e-2), c=drawn(1000, 1.0))


def settings(url: str, key: Path | str = '') -> list[str]:
    found = [f'remote.origin.modelStore={url}']
    return [*found, f'remote.origin.modelKey={key}'] if key else found


def connect(repo: Repo, url: str, key: Path | str = '') -> None:
    repo.git('remote', 'add', 'origin', f'file://{repo.path.parent}/bare.git')
    for setting in settings(url, key):
        repo.git('config', *setting.split('=', 1))


@pytest.fixture
def told(repo: Repo) -> Repo:
    """Two commits on main."""
    remotes.two_versions(repo, save)
    return repo


def clone(
    repo: Repo, path: Path, url: str, key: Path | str = '', code: int | None = 0,
) -> Repo:
    options = [word for each in settings(url, key) for word in ('-c', each)]
    repo.git('clone', '-q', *options, f'file://{repo.path.parent}/bare.git', str(path),
             code=code)
    return Repo(path)


@pytest.fixture
def where(
    request: pytest.FixtureRequest, tmp_path: Path, pinned: Path,
) -> Iterator[str]:
    kind = request.param
    if kind == 'share':
        yield request.getfixturevalue('share').url
    elif kind == 'address':
        yield f'file://{request.getfixturevalue("share").url}'
    elif kind == 's3':
        yield request.getfixturevalue('bucket').url
    elif kind == 'git':
        yield 'git'
    else:
        (tmp_path / 'sftp').mkdir()
        with depots.sftp(tmp_path / 'sftp', pinned) as folder:
            yield folder.url


@pytest.mark.parametrize(('where', 'sealed'), [
    ('share', False), ('address', True), ('s3', False),
    pytest.param('sftp', False, marks=pytest.mark.slow),
    pytest.param('s3', True, marks=pytest.mark.slow),
    ('git', True),
], indirect=['where'])
def test_a_push_a_merge_and_a_pull(
    told: Repo, where: str, tmp_path: Path, key: Path, sealed: bool,
) -> None:
    secret = key if sealed else ''
    connect(told, where, secret)
    done = told.run('git', 'push', '-q', '-u', 'origin', 'main')
    assert done.err.startswith('Sent 5 tensors to ')
    bob = clone(told, tmp_path / 'bob', where, secret)
    assert bob.sha256(M) == told.sha256(M)
    assert bob.status() == ''
    save(bob, 3)
    bob.commit('bob')
    assert bob.run('git', 'push', '-q').err.startswith('Sent 2 tensors to ')
    save(told, 4)
    told.commit('ann')
    told.git('pull', '-q', '--no-rebase', '--no-edit')
    told.git('push', '-q')
    bob.git('pull', '-q')
    assert bob.sha256(M) == told.sha256(M)
    bob.git('model', 'fetch')
    assert bob.git('model', 'fsck').endswith('all is well\n')
    assert list((bob.path / '.git/model/tmp').iterdir()) == []
    assert bob.git('model', 'prune', '--verify-remote', '--expire=never') is not None


def test_what_is_there_is_encoded_as_in_the_store(told: Repo, share: Folder) -> None:
    connect(told, share.url)
    told.git('push', '-q', 'origin', 'main')
    store = told.path / '.git/model/objects'
    mine = {f.relative_to(store).as_posix(): f.read_bytes() for f in store.glob('*/*')}
    assert {key: share.read(key) for key in share.keys()} == {
        f'objects/{name}': data for name, data in mine.items()
    }


def test_what_is_there_is_not_asked_for_again(told: Repo, bucket: Bucket) -> None:
    connect(told, bucket.url)
    told.git('push', '-q', 'origin', 'main')
    bucket.server.have()
    assert told.run('git', 'push', '-q', 'origin', 'main:copy').err == ''
    told.git('tag', 'v1')
    told.git('push', '-q', 'origin', 'v1')
    told.write('notes', 'nothing of a model')
    told.commit('notes')
    told.git('push', '-q', 'origin', 'main')
    assert bucket.server.have() == []
    save(told, 3)
    told.commit('three')
    assert told.run('git', 'push', '-q', 'origin', 'main').err.startswith('Sent 2 ')
    asked = [key for _, key in bucket.server.have() if '/objects/' in key]
    assert len(set(asked)) == 4     # two that are new, and what they differ from


def test_a_small_change_travels_as_one(told: Repo, share: Folder, repo: Repo) -> None:
    tensors = {f'layers.{i}.w': drawn(i, 1.0) for i in range(40)}
    repo.save('large.safetensors', **tensors)
    repo.commit('large')
    connect(told, share.url)
    told.git('push', '-q', 'origin', 'main')
    before = depots.size(share)
    for name in ('layers.7.w', 'layers.9.w'):       # 5 % of it
        tensors[name] = drawn(900, 1.0)
    repo.save('large.safetensors', **tensors)
    repo.commit('changed')
    told.git('push', '-q', 'origin', 'main')
    assert 0 < depots.size(share) - before <= 0.06 * 40 * 90 * 70 * 4


def test_pushes_at_once_lose_nothing(told: Repo, share: Folder, tmp_path: Path) -> None:
    connect(told, share.url)
    told.git('push', '-q', 'origin', 'main')
    people = [clone(told, tmp_path / f'p{i}', share.url) for i in range(3)]
    for i, person in enumerate(people):
        person.git('checkout', '-q', '-b', f'b{i}')
        save(person, 50)
        person.commit('the same')
        save(person, 51 + i)
        person.commit(f'by {i}')
    running = [
        subprocess.Popen(('git', 'push', '-q', 'origin', f'b{i}'), cwd=person.path)
        for i, person in enumerate(people)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    carl = clone(told, tmp_path / 'carl', share.url)
    carl.git('model', 'fetch')
    assert carl.git('model', 'fsck').endswith('all is well\n')
    assert not list(share.path.glob('tmp/*'))


def noise(repo: Repo, count: int = 1) -> None:
    """Objects that are large enough to be gone on with, and travel in parts."""
    repo.git('model', 'track', '*.npy')
    for number in range(count):
        data = numpy.random.default_rng(number).bytes(12 << 20)
        numpy.save(repo.path / f'{number}.npy', numpy.frombuffer(data, 'uint8'))
    repo.commit('noise')


@pytest.mark.slow       # what asks S3 tries for long
def test_a_server_that_dies_under_a_push(told: Repo, bucket: Bucket) -> None:
    noise(told)
    connect(told, bucket.url)
    bucket.server.have(down=['PUT', 3, ''])
    done = told.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert done.err.startswith(f"error: '{bucket.url}' cannot be reached: ")
    assert 'Traceback' not in done.err
    bucket.server.have()
    assert told.git('ls-remote', 'origin') == ''    # nor were the commits sent
    there = bucket.keys()
    assert told.run('git', 'push', '-q', 'origin', 'main').err.startswith('Sent ')
    sent = [key.partition('/team/')[2] for method, key in bucket.server.have()
            if method == 'PUT']
    assert set(sent).isdisjoint(there)
    assert len(bucket.keys()) == 6


def dying(repo: Repo, bucket: Bucket, path: Path, key: Path | str) -> tuple[Repo, str]:
    """A clone for which the server died at the third of the four blocks of an object,
    and that object.
    """
    noise(repo)
    connect(repo, bucket.url, key)
    repo.git('push', '-q', 'origin', 'main')
    large = max(bucket.keys(), key=lambda name: len(bucket.read(name)))
    bucket.server.have(down=['GET', 3, large])
    bob = clone(repo, path, bucket.url, key, code=None)
    bucket.server.have()
    assert bob.read('0.npy').startswith(b'git-model manifest v1\n')
    return bob, large


def partial_of(repo: Repo) -> Path:
    [path] = (repo.path / '.git/model/tmp').iterdir()
    return path


def asked(bucket: Bucket, key: str) -> int:
    return sum(m == 'GET' and k.endswith(key) for m, k in bucket.server.have())


@pytest.mark.slow
@PLAIN_IF_SLOW
def test_a_server_that_dies_under_a_clone(
    told: Repo, bucket: Bucket, tmp_path: Path, key: Path, sealed: bool,
) -> None:
    bob, large = dying(told, bucket, tmp_path / 'bob', key if sealed else '')
    assert partial_of(bob).read_bytes() == bucket.read(large)[:8 << 20]
    bucket.server.have()
    bob.git('model', 'pull')
    assert asked(bucket, large) == 2
    assert [bob.sha256(n) for n in (M, '0.npy')] == [
        told.sha256(n) for n in (M, '0.npy')
    ]
    assert list((bob.path / '.git/model/tmp').iterdir()) == []


@pytest.mark.slow
@PLAIN_IF_SLOW
def test_a_beginning_that_is_wrong_is_not_gone_on_with(
    told: Repo, bucket: Bucket, tmp_path: Path, key: Path, sealed: bool,
) -> None:
    bob, large = dying(told, bucket, tmp_path / 'bob', key if sealed else '')
    partial_of(bob).write_bytes(bytes(8 << 20))
    bucket.server.have()
    bob.git('model', 'pull')
    assert asked(bucket, large) == 2 + 4
    assert bob.sha256('0.npy') == told.sha256('0.npy')
    assert list((bob.path / '.git/model/tmp').iterdir()) == []


@pytest.mark.parametrize('sealed', [False, True], ids=['plain', 'sealed'])
@pytest.mark.parametrize('damage', ['cut', 'flipped', 'other', 'gone'])
def test_a_damaged_object_gives_nothing_wrong(
    told: Repo, share: Folder, tmp_path: Path, key: Path, sealed: bool, damage: str,
) -> None:
    secret = key if sealed else ''
    connect(told, share.url, secret)
    told.git('push', '-q', 'origin', 'main')
    names = [name for name in share.keys() if name != 'sealed/key']
    whole = {name: share.read(name) for name in names}
    for name, data in whole.items():
        if damage == 'gone':
            share.remove(name)
        elif damage == 'cut':
            share.write(name, data[:-1])
        elif damage == 'other':
            share.write(name, whole[names[0] if name != names[0] else names[1]])
        else:
            share.write(name, data[:-5] + bytes([data[-5] ^ 4]) + data[-4:])
    bob = clone(told, tmp_path / 'bob', share.url, secret, code=None)
    assert bob.read(M).startswith(b'git-model manifest v1\n')
    assert bob.store() == set()
    done = bob.run('git', 'model', 'pull', code=128)
    assert ('is damaged at' in done.err) == (damage != 'gone')
    assert 'Traceback' not in done.err
    for name, data in whole.items():
        share.write(name, data) if damage != 'gone' else None
    if damage == 'gone':
        assert told.run('git', 'model', 'push', 'origin').out.startswith('Sent 5 ')
    bob.git('model', 'pull')
    assert bob.sha256(M) == told.sha256(M)


def test_one_damaged_object_keeps_nothing_else_back(
    told: Repo, share: Folder, tmp_path: Path,
) -> None:
    save(told, 70, 'other.safetensors')
    told.commit('other')
    connect(told, share.url)
    told.git('push', '-q', 'origin', 'main')
    of_b = told.manifest('other.safetensors').partition('tensor b ')[2]
    oid = of_b.partition('sha256:')[2][:64]
    share.write(f'objects/{oid[:2]}/{oid[2:]}', b'nothing')
    bob = clone(told, tmp_path / 'bob', share.url, code=None)
    assert bob.sha256(M) == told.sha256(M)
    assert bob.read('other.safetensors').startswith(b'git-model manifest v1\n')
    done = bob.run('git', 'model', 'pull', code=128)
    assert (
        f"hint: remove 'objects/{oid[:2]}/{oid[2:]}' there, then, where it is whole: "
        'git model push origin\n'
    ) in done.err or f"the object sha256:{oid} is damaged at '{share.url}'" in done.err
    share.remove(f'objects/{oid[:2]}/{oid[2:]}')
    told.git('model', 'push', 'origin')
    assert bob.git('model', 'pull') == 'Wrote 1 model.\n'


def test_what_is_lacking_is_found_before_anything_is_pruned(
    told: Repo, share: Folder,
) -> None:
    connect(told, share.url)
    told.git('push', '-q', 'origin', 'main')
    told.git('update-ref', 'refs/remotes/origin/main', 'HEAD')
    prune = ('model', 'prune', '--pushed', '--expire=now')
    store, removable = told.store(), told.git(*prune, '-n', '-v')
    names = [name for name in share.keys() if name[11:] in removable]
    assert len(names) == 1      # what only the first commit needs
    for name in names:
        whole = share.read(name)
        share.write(name, whole[:-1])
        told.git(*prune, code=1)
        assert told.store() == store
        share.write(name, whole)
    told.git(*prune)
    assert len(told.store()) == len(store) - 1


def test_a_library_that_is_not_installed_is_named(
    told: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / 'gcsfs.py').write_text('raise ImportError')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    connect(told, 'gs://x/y')
    assert told.run('git', 'model', 'push', 'origin', code=128).err == (
        "error: 'gs://x/y' needs 'gcsfs', which is not installed\nhint: get it with: "
        'pip install "git-model-driver[gs]"\n'
    )


@pytest.mark.parametrize(('problem', 'said'), [
    ('denied', "error: '{url}' refuses: "),
    ('nobody', "error: there are no credentials for '{url}'\nhint: set the credentials "
               'in the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or '
               'AWS_PROFILE\n'),
    ('no bucket', "error: there is no bucket or container at 's3://none-such/team'\n"
                  'hint: make it, or mend the address: '),
    ('refused', "error: '{url}' cannot be reached: "),
    ('strange', "error: 'tape://x' is of a kind that fsspec does not know\nhint: "),
    ('unmounted', "error: there is no directory '/none/such'\nhint: mount it, or make "
                  "it: mkdir -p '/none/such'\n"),
])
def test_what_refuses_is_told_in_words(
    told: Repo, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, problem: str,
    said: str,
) -> None:
    connect(told, {
        'no bucket': 's3://none-such/team', 'strange': 'tape://x',
        'unmounted': '/none/such',
    }.get(problem, bucket.url))
    if problem == 'denied':
        bucket.server.have(deny=True)
    elif problem == 'nobody':
        monkeypatch.delenv('AWS_ACCESS_KEY_ID')
        monkeypatch.delenv('AWS_SECRET_ACCESS_KEY')
    elif problem == 'refused':
        monkeypatch.setenv('AWS_ENDPOINT_URL', 'http://127.0.0.1:1')
    done = told.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert done.err.startswith(said.format(url=bucket.url))
    assert 'a-secret-of-ann' not in done.err
    bucket.server.have()
    assert told.git('ls-remote', 'origin') == ''
    assert bucket.keys() == []


def test_a_remote_may_be_nothing_but_a_store(
    told: Repo, share: Folder, tmp_path: Path,
) -> None:
    """It has no address that commits could be fetched from."""
    connect(told, share.url)
    told.git('push', '-q', 'origin', 'main')
    bob = clone(told, tmp_path / 'bob', 'none')
    bob.git('config', 'remote.tensors.modelStore', share.url)
    assert bob.git('model', 'pull') == 'Wrote 1 model.\n'
    assert bob.sha256(M) == told.sha256(M)


def test_a_full_disk_is_told_and_leaves_nothing(
    told: Repo, share: Folder, tmp_path: Path,
) -> None:
    connect(told, share.url)
    told.git('push', '-q', 'origin', 'main')
    bob = clone(told, tmp_path / 'bob', 'none')
    bob.git('config', 'remote.origin.modelStore', share.url)
    limited = 'ulimit -f 20; trap "" XFSZ; exec git model pull'     # blocks of 512
    done = bob.run('sh', '-c', limited, code=128)
    assert 'File too large' in done.err
    assert 'Traceback' not in done.err
    assert list((bob.path / '.git/model/tmp').iterdir()) == []
    assert bob.git('model', 'pull') == 'Wrote 1 model.\n'
    assert bob.sha256(M) == told.sha256(M)


def test_a_full_share_is_told_and_has_nothing_half(
    told: Repo, share: Folder, tmp_path: Path,
) -> None:
    connect(told, share.url)
    for path in (told.path / '.git/model/objects').glob('??/*'):
        os.utime(path)      # it is read, and copied: nobody knows who wrote to it
    limited = 'ulimit -f 20; trap "" XFSZ; exec git push -q origin main'
    done = told.run('sh', '-c', limited, code=1)
    assert done.err.startswith(f"error: cannot write '{share.url}': File too large\n")
    assert told.git('ls-remote', 'origin') == ''
    assert [key for key in share.keys() if key.startswith('tmp/')] == []
    told.git('push', '-q', 'origin', 'main')
    assert clone(told, tmp_path / 'bob', share.url).sha256(M) == told.sha256(M)


def test_nothing_is_sent_as_it_is_where_all_is_to_be_encrypted(
    told: Repo, share: Folder, key: Path, tmp_path: Path,
) -> None:
    connect(told, share.url, key)
    for digits, mode, said in (
        (None, 0, f"error: cannot read the key '{key}': No such file or directory\n"),
        (KEY[:-1], 0o600, f"error: '{key}', which remote.origin.modelKey names, hol"),
        (KEY + 'x', 0o600, f"error: '{key}', which remote.origin.modelKey names, hol"),
        (KEY, 0o644, f"error: others may read the key '{key}' (its mode is 0644)\n"
                     f"hint: chmod 600 '{key}'\n"),
    ):
        key.unlink(missing_ok=True)
        if digits:
            write_key(key, digits).chmod(mode)
        for store in (share.url, 'git'):
            told.git('config', 'remote.origin.modelStore', store)
            done = told.run('git', 'push', '-q', 'origin', 'main', code=1)
            assert done.err.startswith(said)
    assert share.keys() == []
    assert told.git('ls-remote', 'origin') == ''


def test_a_key_may_be_in_the_environment(
    told: Repo, share: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    connect(told, share.url, 'env:TEAM_KEY')
    done = told.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert done.err.startswith(
        "error: the environment has no 'TEAM_KEY', which remote.origin.modelKey names\n"
    )
    monkeypatch.setenv('TEAM_KEY', KEY)
    told.git('push', '-q', 'origin', 'main')
    bob = clone(told, tmp_path / 'bob', share.url, 'env:TEAM_KEY')
    assert bob.sha256(M) == told.sha256(M)


@pytest.mark.parametrize('store', ['share', 'git'])
def test_names_and_contents_say_nothing(
    told: Repo, share: Folder, key: Path, tmp_path: Path, store: str,
) -> None:
    connect(told, share.url if store == 'share' else 'git', key)
    told.git('push', '-q', 'origin', 'main')
    bare = Repo(tmp_path / 'bare.git')
    if store == 'share':
        names = '\n'.join(share.keys())
        data = b''.join(share.read(name) for name in share.keys())
    else:
        refs = bare.git('for-each-ref', '--format=%(objectname)', 'refs/models')
        listed = bare.git('rev-list', '--objects', *refs.split())
        names = listed
        blobs = [line.split()[0] for line in listed.splitlines()]
        data = b''.join(
            os.fsencode(bare.git('cat-file', '-p', blob)) for blob in blobs
        )
    assert len(told.store()) == 5
    for oid in told.store():
        digits = oid.removeprefix('sha256:')
        assert digits[2:20] not in names.replace('/', '')
        assert digits.encode() not in data
        assert bytes.fromhex(digits) not in data
    assert b'GMO' not in data


@pytest.mark.parametrize('store', ['share', 'git'])
def test_without_the_key_or_with_another_it_is_said(
    told: Repo, share: Folder, key: Path, tmp_path: Path, store: str,
) -> None:
    url = share.url if store == 'share' else 'git'
    connect(told, url, key)
    told.git('push', '-q', '-u', 'origin', 'main')
    before = share.keys(), told.git('ls-remote', 'origin')
    bob = clone(told, tmp_path / 'bob', url)
    assert bob.read(M).startswith(b'git-model manifest v1\n')
    save(bob, 9)
    bob.commit('bob')
    place = f'at \'{url}\'' if store == 'share' else "on 'origin'"
    for command, code in (
        (('git', 'model', 'pull'), 128), (('git', 'push', '-q'), 1),
        (('git', 'model', 'push', 'origin'), 128),
    ):
        if command[-1] == 'pull':
            bob.git('checkout', '-q', 'HEAD~1')
        else:
            bob.git('checkout', '-q', 'main')
        done = bob.run(*command, code=code)
        assert f'the tensors {place} are encrypted' in done.err
    other = write_key(tmp_path / 'other', OTHER)
    bob.git('config', 'remote.origin.modelKey', str(other))
    done = bob.run('git', 'push', '-q', code=1)
    assert done.err.startswith(
        f"error: '{url if store == 'share' else 'origin'}': what is there was "
        'encrypted with another key\n'
        'hint: remote.origin.modelKey must name the key that the tensors there were '
        'sent with\n',
    )
    assert (share.keys(), told.git('ls-remote', 'origin')) == before
    bob.git('config', 'remote.origin.modelKey', str(key))
    bob.git('push', '-q')
    told.git('pull', '-q')
    assert told.sha256(M) == bob.sha256(M)


@pytest.mark.parametrize('store', ['share', 'git'])
def test_what_was_sent_before_there_was_a_key(
    told: Repo, share: Folder, key: Path, tmp_path: Path, store: str,
) -> None:
    url = share.url if store == 'share' else 'git'
    connect(told, url)
    told.git('push', '-q', '-u', 'origin', 'main')
    bob = clone(told, tmp_path / 'bob', url, key)
    assert bob.read(M).startswith(b'git-model manifest v1\n')
    done = bob.run('git', 'model', 'pull', code=128)
    assert 'has tensors that are not encrypted, and remote.origin.modelKey' in done.err
    told.git('config', 'remote.origin.modelKey', str(key))
    assert told.git('model', 'push', 'origin').startswith('Sent 5 tensors')
    bob.git('model', 'pull')
    assert bob.sha256(M) == told.sha256(M)


@pytest.mark.parametrize('kind', ['directory', 'git'])
def test_an_address_of_a_remote_is_that_remote(
    told: Repo, key: Path, tmp_path: Path, kind: str,
) -> None:
    """What is set for it holds: nothing goes out as it is by another name."""
    connect(told, 'git', key)
    bare = tmp_path / 'bare.git'
    if kind == 'directory':
        told.git('remote', 'set-url', 'origin', str(bare))
        told.git('config', 'remote.origin.modelStore', 'directory')
        done = told.run('git', 'push', '-q', str(bare), 'main', code=1)
        assert done.err.startswith(
            "error: tensors in a store of kind 'directory' cannot be encrypted, and "
            'remote.origin.modelKey is set\n',
        )
        assert not (bare / 'model').exists()
        return
    told.git('push', '-q', f'file://{bare}', 'main')
    bob = clone(told, tmp_path / 'bob', 'git', key)
    assert bob.sha256(M) == told.sha256(M)


def test_a_large_object_is_sealed_in_parts(
    told: Repo, key: Path, tmp_path: Path,
) -> None:
    data = numpy.random.default_rng(5).bytes(65 << 20)
    told.save('large.safetensors', x=numpy.frombuffer(data, 'uint8'))
    told.commit('large')
    connect(told, 'git', key)
    told.git('push', '-q', '-u', 'origin', 'main')
    bob = clone(told, tmp_path / 'bob', 'git', key)
    assert bob.sha256('large.safetensors') == told.sha256('large.safetensors')


def test_a_key_is_a_whole_path(told: Repo, share: Folder) -> None:
    connect(told, share.url, 'key')
    done = told.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert done.err.startswith(
        "error: 'key', which remote.origin.modelKey names, is not a whole path\n",
    )


def test_a_repository_cannot_choose_where_tensors_go(told: Repo, share: Folder) -> None:
    told.write('.gitmodel', f'[remote "origin"]\n\tmodelStore = {share.url}\n')
    told.commit('rules')
    connect(told, 'none')
    told.git('push', '-q', 'origin', 'main')
    assert share.keys() == []
    assert os.listdir(share.path) == []
