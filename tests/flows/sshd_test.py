"""Tensors by ssh and sftp, with OpenSSH on the other side."""
from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from tests.testing import remotes
from tests.testing import sshd
from tests.testing.lfsserver import lfs
from tests.testing.repository import Repo
from tests.testing.sshd import Sshd

pytestmark = pytest.mark.slow
M = "m 'é'.safetensors"


@pytest.fixture
def server(
    tmp_path: Path, pinned: Path, monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Sshd]:
    monkeypatch.setenv('GIT_ALLOW_PROTOCOL', 'file:http:ssh')
    (tmp_path / 'sshd').mkdir()
    with sshd.served(tmp_path / 'sshd', pinned) as found:
        yield found


@pytest.fixture
def told(repo: Repo, tmp_path: Path) -> Repo:
    """Two commits on main; "srv/bare.git" is a bare repository."""
    remotes.bare(repo, tmp_path)
    (tmp_path / 'share').mkdir()
    remotes.two_versions(repo, save)
    return repo


def save(repo: Repo, seed: int) -> None:
    rng = numpy.random.default_rng(seed)
    repo.save(
        M, a=rng.standard_normal((90, 70)).astype('float32'),
        **{f'large.{i}': numpy.frombuffer(rng.bytes(12 << 20), 'uint8')
           for i in range(2)},
    )


def options(store: str) -> tuple[str, str]:
    return '-c', f'remote.origin.modelStore={store}'


def connect(repo: Repo, url: str, store: str) -> None:
    repo.git('remote', 'add', 'origin', url)
    repo.git('config', 'remote.origin.modelStore', store)


@pytest.mark.parametrize('version', [0, 2])
def test_commits_and_tensors_go_by_ssh(
    told: Repo, server: Sshd, tmp_path: Path, version: int,
) -> None:
    told.git('config', '--global', 'protocol.version', str(version))
    url = f'ssh://{server.address}{tmp_path}/srv/bare.git'
    connect(told, url, 'git')
    done = told.run('git', 'push', '-q', '-u', 'origin', 'main')
    assert done.err == "Sent 6 tensors to 'origin'\n"
    bob = told.clone(tmp_path / 'bob', *options('git'), url=url)
    assert bob.sha256(M) == told.sha256(M)
    save(told, 3)
    told.commit('version 3')
    assert told.run('git', 'push', '-q').err == "Sent 3 tensors to 'origin'\n"
    assert bob.run('git', 'pull', '-q').err == ''
    assert bob.sha256(M) == told.sha256(M)
    assert bob.git('model', 'fetch') == 'Got 3 tensors.\n'
    assert bob.git('model', 'fsck') == '9 objects needed, all is well\n'
    done = told.run('git', 'model', 'fsck', '--remote', 'origin')
    assert done == (0, '9 objects needed, all is well\n', '')


@pytest.mark.parametrize('kind', ['git', 'sftp'])
def test_two_pushes_at_once_lose_nothing(
    told: Repo, server: Sshd, tmp_path: Path, kind: str,
) -> None:
    url = f'ssh://{server.address}{tmp_path}/srv/bare.git'
    store = 'git' if kind == 'git' else f'sftp://{server.address}{tmp_path}/share/team'
    connect(told, url, store)
    told.git('push', '-q', 'origin', 'main')
    bob = told.clone(tmp_path / 'bob', *options(store), url=url)
    for person, seed in ((told, 3), (bob, 4)):
        person.git('checkout', '-q', '-b', f'b{seed}')
        save(person, 5)
        person.commit('the same')
        save(person, seed)
        person.commit('another')
    running = [
        subprocess.Popen(('git', 'push', '-q', 'origin', branch), cwd=person.path)
        for person, branch in ((told, 'b3'), (bob, 'b4'))
    ]
    assert [process.wait(300) for process in running] == [0, 0]
    carl = told.clone(tmp_path / 'carl', *options(store), url=url)
    carl.git('model', 'fetch')
    assert carl.git('model', 'fsck') == '15 objects needed, all is well\n'


def test_a_host_that_is_not_known_is_told(
    told: Repo, server: Sshd, tmp_path: Path,
) -> None:
    connect(told, f'ssh://{server.address}{tmp_path}/srv/bare.git', 'git')
    server.known.write_text('')
    done = told.run('git', 'model', 'push', 'origin', code=128)
    assert done.err.startswith('error: Could not read from remote repository.\nhint: ')
    assert 'hint: Host key verification failed.\n' in done.err


def test_tensors_go_by_sftp(told: Repo, server: Sshd, tmp_path: Path) -> None:
    """Several that are large, in one session."""
    store = f'sftp://{server.address}{tmp_path}/share/new'
    connect(told, f'file://{tmp_path}/srv/bare.git', store)
    said = f"'{store.replace(server.address, server.address.partition('@')[2])}'"
    done = told.run('git', 'push', '-q', '-u', 'origin', 'main')
    assert done.err == f'Sent 6 tensors to {said}\n'
    assert list((tmp_path / 'share/new/tmp').iterdir()) == []
    bob = told.clone(
        tmp_path / 'bob', *options(store), url=f'file://{tmp_path}/srv/bare.git',
    )
    assert bob.sha256(M) == told.sha256(M)
    assert bob.git('model', 'fetch') == 'Got 3 tensors.\n'
    assert bob.git('model', 'fsck') == '6 objects needed, all is well\n'
    done = told.run('git', 'model', 'fsck', '--remote', 'origin')
    assert done == (0, '6 objects needed, all is well\n', '')


@pytest.mark.parametrize(('problem', 'said'), [
    ('unknown', 'the host of {} is not one that is known here\nhint: compare its '
                'fingerprint and note it: ssh -p {port} 127.0.0.1\n'),
    ('changed', 'the host of {} has another key than the one that is known here: it '
                'may not be that host\nhint: ask who runs it; if its key was changed, '
                "forget the old one: ssh-keygen -R '[127.0.0.1]:{port}'\n"),
    ('no key', 'there are no credentials for {}\nhint: set the credentials in the '),
    ('wrong key', '{} refuses: Authentication failed.\nhint: set the credentials in '),
])
def test_what_an_sftp_server_refuses_is_told_in_words(
    told: Repo, server: Sshd, tmp_path: Path, problem: str, said: str,
) -> None:
    connect(told, '.', f'sftp://{server.address}{tmp_path}/share')
    sshd.make_key(tmp_path / 'other')
    if problem == 'unknown':
        server.known.write_text('')
    elif problem == 'changed':
        key = ' '.join((tmp_path / 'other.pub').read_text().split()[:2])
        server.known.write_text(f'{server.name} {key}\n')
    elif problem == 'no key':
        server.key.unlink()
    else:
        server.key.write_bytes((tmp_path / 'other').read_bytes())
    done = told.run('git', 'model', 'push', 'origin', code=128)
    where, port = server.address.partition('@')[2], server.name.rpartition(':')[2]
    told_of = f"'sftp://{where}{tmp_path}/share'"
    assert done.err.startswith(f'error: {said.format(told_of, port=port)}')
    assert list((tmp_path / 'share').iterdir()) == []


def test_a_known_host_may_have_been_hashed(
    told: Repo, server: Sshd, tmp_path: Path,
) -> None:
    connect(told, '.', f'sftp://{server.address}{tmp_path}/share')
    subprocess.run(
        ('ssh-keygen', '-H', '-f', server.known), check=True, capture_output=True,
    )
    assert '127.0.0.1' not in server.known.read_text()
    assert told.git('model', 'push', 'origin').startswith('Sent 6 tensors ')


def test_a_full_disk_behind_sftp_is_told_and_has_nothing_half(
    told: Repo, tmp_path: Path, pinned: Path,
) -> None:
    (tmp_path / 'full').mkdir()
    with sshd.served(tmp_path / 'full', pinned, is_full=True) as server:
        connect(told, '.', f'sftp://{server.address}{tmp_path}/share')
        done = told.run('git', 'model', 'push', 'origin', code=128)
    where = server.address.partition('@')[2]
    assert done.err.startswith(
        f"error: 'sftp://{where}{tmp_path}/share': Failure, as it says of a disk that "
        'is full\nhint: ',
    )
    there = [path for path in (tmp_path / 'share/objects').rglob('*') if path.is_file()]
    whole = told.path / '.git/model/objects'
    assert all(
        path.read_bytes() == (whole / path.parent.name / path.name).read_bytes()
        for path in there
    )
    assert [path.stat().st_size for path in (tmp_path / 'share/tmp').iterdir()] == []


def test_an_lfs_server_is_asked_for_by_ssh(
    told: Repo, server: Sshd, tmp_path: Path,
) -> None:
    url = f'ssh://{server.address}{tmp_path}/srv/bare.git'
    with lfs(tmp_path / 'srv') as large:
        large.password = 'nobody:knows'
        program = server.programs / 'git-lfs-authenticate'
        program.write_text(
            f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
            f"""echo '{{"href": "{large.url}/bare.git/info/lfs", "header": """
            f"""{{"Authorization": "RemoteAuth {large.token}"}}}}'\n""",
        )
        program.chmod(0o755)
        connect(told, url, 'lfs')
        told.git('push', '-q', 'origin', 'main')
        assert len(large.stored()) == 6
        bob = told.clone(tmp_path / 'bob', *options('lfs'), url=url)
    assert bob.sha256(M) == told.sha256(M)
    assert (tmp_path / 'asked').read_text().splitlines() == [
        f'{tmp_path}/srv/bare.git upload', f'{tmp_path}/srv/bare.git download',
    ]
