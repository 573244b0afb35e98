"""Tensors at gs:// and az://, by gcsfs and adlfs, on emulators that others wrote."""
from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from tests.testing import clouds
from tests.testing import remotes
from tests.testing.clouds import Cloud
from tests.testing.failing import Answer
from tests.testing.repository import Repo

pytestmark = pytest.mark.slow
M = 'm "1" é.safetensors'
ANONYMOUS = Answer(401, 'application/json', b'''{"error": {"code": 401, "message":
    "Anonymous caller does not have storage.objects.get access to the Google Cloud
    Storage object."}}'''.replace(b'\n', b' '))


@pytest.fixture(params=['gs', 'az'])
def cloud(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cloud]:
    (tmp_path / 'cloud').mkdir()
    with clouds.served(request.param, tmp_path / 'cloud') as found:
        for name, value in found.environment().items():
            monkeypatch.setenv(name, value)
        # What the driver sets itself.
        monkeypatch.delenv('GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT')
        yield found


@pytest.fixture
def told(repo: Repo, tmp_path: Path) -> Repo:
    """Two commits on main. One tensor travels in parts."""
    repo.git('model', 'install')
    repo.git('init', '-q', '--bare', '-b', 'main', str(tmp_path / 'bare.git'))
    repo.git('remote', 'add', 'origin', f'file://{tmp_path}/bare.git')
    remotes.two_versions(repo, save)
    return repo


def save(repo: Repo, seed: int) -> None:
    rng = numpy.random.default_rng(seed)
    large = numpy.random.default_rng(0).bytes(12 << 20)
    repo.save(
        M, a=rng.standard_normal((90, 70)).astype('float32'),
        large=numpy.frombuffer(large, 'uint8'),
    )


def connect(repo: Repo, url: str, key: str = '') -> None:
    repo.git('config', 'remote.origin.modelStore', url)
    if key:
        repo.git('config', 'remote.origin.modelKey', key)


@pytest.mark.parametrize('sealed', [False, True], ids=['plain', 'sealed'])
def test_a_push_a_clone_and_a_pull(
    told: Repo, cloud: Cloud, tmp_path: Path, sealed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('TEAM_KEY', '0123456789abcdef' * 4)
    key = 'env:TEAM_KEY' if sealed else ''
    connect(told, cloud.url, key)
    done = told.run('git', 'push', '-q', '-u', 'origin', 'main')
    assert done.err == f"Sent 3 tensors to '{cloud.url}'\n"
    assert len(cloud.keys()) == (4 if sealed else 3)
    options = ['-c', f'remote.origin.modelStore={cloud.url}']
    options += ['-c', f'remote.origin.modelKey={key}'] if sealed else []
    bob = told.clone(
        tmp_path / 'bob', *options, url=f'file://{tmp_path}/bare.git',
    )
    assert bob.sha256(M) == told.sha256(M)
    save(told, 3)
    told.commit('version 3')
    assert told.run('git', 'push', '-q').err == f"Sent 1 tensor to '{cloud.url}'\n"
    done = bob.run('git', 'pull', '-q')
    assert (done.err, bob.sha256(M)) == ('', told.sha256(M))
    assert bob.git('model', 'fetch') == 'Got 1 tensor.\n'
    assert bob.git('model', 'fsck') == '4 objects needed, all is well\n'
    subprocess.run(('rm', '-rf', told.path / '.git/model/remotes'), check=True)
    assert told.git('model', 'push', 'origin').startswith('Sent 0 tensors ')
    done = told.run('git', 'model', 'fsck', '--remote', 'origin')
    assert done == (0, '4 objects needed, all is well\n', '')
    pruned = told.git('model', 'prune', '--pushed', '--expire=now')
    assert pruned.startswith('Removed 2 objects ')


def test_a_bucket_that_is_not_there_is_told(told: Repo, cloud: Cloud) -> None:
    url = f'{cloud.kind}://none-such/team'
    connect(told, url)
    told.git('update-ref', 'refs/remotes/origin/main', 'HEAD')
    for command, code in (
        (('push', '-q', 'origin', 'main'), 1),
        (('model', 'fsck', '--remote', 'origin'), 128),
        (('model', 'push', 'origin'), 128),
    ):
        assert told.run('git', *command, code=code).err.startswith(
            f"error: there is no bucket or container at '{url}'\nhint: make it, or "
            'mend the address: git config remote.<name>.modelStore <url>\n',
        )
    assert told.git('ls-remote', 'origin') == ''


@pytest.mark.parametrize(('problem', 'said'), [
    ('none', 'there are no credentials for {}\n'),
    ('wrong', '{} refuses: '),
    ('unreadable', 'the credentials for {} cannot be read: '),
    ('gone', '{} cannot be reached: '),
    ('busy', '{} cannot be reached: '),
])
def test_what_refuses_is_told_in_words(
    told: Repo, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, problem: str, said: str,
    tmp_path: Path,
) -> None:
    connect(told, cloud.url)
    spoil(cloud, problem, monkeypatch, tmp_path)
    done = told.run('git', 'push', '-q', 'origin', 'main', code=1)
    quoted = f"'{cloud.url}'"
    assert done.err.startswith(f'error: {said.format(quoted)}')
    assert len(done.err.splitlines()) == 3      # its hint, and Git's own
    assert told.git('ls-remote', 'origin') == ''
    cloud.faults.well()


def spoil(
    cloud: Cloud, problem: str, monkeypatch: pytest.MonkeyPatch, folder: Path,
) -> None:
    faults, is_google = cloud.faults, cloud.kind == 'gs'
    string = 'AZURE_STORAGE_CONNECTION_STRING'
    if problem == 'gone':
        faults.method, faults.answered = ('GET' if is_google else 'HEAD'), 0
    elif problem == 'busy':
        faults.deny = Answer(503, 'text/plain', b'Service Unavailable')
    elif is_google and problem == 'none':
        faults.deny = ANONYMOUS
    elif is_google and problem == 'wrong':
        faults.deny = ANONYMOUS._replace(
            status=403, body=ANONYMOUS.body.replace(b'Anonymous caller', b'ann@x'),
        )
    elif is_google:
        (folder / 'token').write_text('{}')
        monkeypatch.setenv('FSSPEC_GCS_TOKEN', str(folder / 'token'))
    elif problem == 'none':
        monkeypatch.delenv(string)
    elif problem == 'wrong':
        monkeypatch.setenv(string, cloud.environment('b25l' * 8)[string])
    else:
        monkeypatch.setenv(string, 'nothing')


def test_a_server_that_dies_under_a_push(told: Repo, cloud: Cloud) -> None:
    connect(told, cloud.url)
    method = 'POST' if cloud.kind == 'gs' else 'PUT'
    cloud.faults.method, cloud.faults.answered = method, 5
    done = told.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert done.err.startswith(f"error: '{cloud.url}' cannot be reached: ")
    assert 'Traceback' not in done.err
    assert told.git('ls-remote', 'origin') == ''
    cloud.faults.well()
    there = cloud.keys()
    cloud.faults.well()
    done = told.run('git', 'push', '-q', 'origin', 'main')
    assert done.err == f"Sent {3 - len(there)} tensors to '{cloud.url}'\n".replace(
        '1 tensors', '1 tensor',
    )
    assert set(there) < set(cloud.keys())
    told.git('model', 'fsck', '--remote', 'origin')


def test_an_object_that_was_cut_is_found(told: Repo, cloud: Cloud) -> None:
    connect(told, cloud.url)
    told.git('push', '-q', '-u', 'origin', 'main')
    key = max(cloud.keys(), key=lambda name: len(cloud.read(name)))
    whole = cloud.read(key)
    cloud.write(key, whole[:-1])
    done = told.run('git', 'model', 'fsck', '--remote', 'origin', code=1)
    assert key.removeprefix('objects/').replace('/', '') in done.out
    store = told.store()
    told.run('git', 'model', 'prune', '--verify-remote', '--expire=now', code=None)
    assert told.store() == store
    cloud.write(key, whole)
    assert told.run('git', 'model', 'fsck', '--remote', 'origin').err == ''
