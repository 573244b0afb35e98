"""Where an LFS server is, what is asked of it, and what of an object is kept."""
from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of
from git_model_driver.core.oid import of_bytes
from git_model_driver.git import repository as repositories
from git_model_driver.git import ssh
from git_model_driver.git.ssh import Place
from git_model_driver.store.codec.form import FLOAT
from git_model_driver.store.codec.form import Form
from git_model_driver.store.incoming import incoming
from git_model_driver.store.objects import Store
from git_model_driver.store.source import BytesSpan
from git_model_driver.store.source import Span
from git_model_driver.transfer.lfs import addresses
from git_model_driver.transfer.lfs import endpoint
from git_model_driver.transfer.lfs.descriptions import descriptions_of
from git_model_driver.transfer.lfs.endpoint import DOWNLOAD
from git_model_driver.transfer.lfs.endpoint import UPLOAD
from git_model_driver.transfer.lfs.endpoint import Endpoint
from git_model_driver.transfer.lfs.server import LfsServer
from tests.testing.lfsserver import lfs
from tests.testing.repository import Repo

LFS = shutil.which('git-lfs') is None
SETTINGS: list[tuple[str, dict[str, str], str]] = [
    ('https://h/a/b', {}, ''),
    ('https://h/a/b.git', {}, ''),
    ('https://h:8443/a/b/', {}, ''),
    ('git://h/a', {}, ''),
    ('https://h/a', {'remote.origin.lfsurl': 'https://l/x'}, ''),
    ('https://h/a', {'lfs.url': 'https://l/x'}, ''),
    ('https://h/a', {'lfs.url': 'https://l/x', 'remote.origin.lfsurl': 'https://m'},
     ''),
    ('https://h/a', {'lfs.url': 'https://l/x', 'url.https://n/.insteadOf': 'https://l/'},
     ''),
    ('x:a', {'url.https://n/.insteadOf': 'x:'}, ''),
    ('https://h/a', {}, '[lfs]\n\turl = https://l/conf\n'),
    ('https://h/a', {}, '[remote "origin"]\n\tlfsurl = https://l/conf\n'),
    ('https://h/a', {'lfs.url': 'https://l/own'}, '[lfs]\n\turl = https://l/conf\n'),
    ('https://h/a', {}, '[lfs "transfer"]\n\tmaxretries = 1\n'),
]


@pytest.fixture
def here(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.chdir(repo.path)
    return repo


def configure(repo: Repo, url: str, settings: dict[str, str], file: str) -> None:
    repo.git('remote', 'add', 'origin', url)
    for key, value in settings.items():
        repo.git('config', key, value)
    if file:
        repo.write('.lfsconfig', file)


def found(repo: Repo, operation: str = DOWNLOAD) -> str:
    said = endpoint.settings(repositories.find())
    url = repo.git('remote', 'get-url', 'origin').strip()
    return endpoint.find('origin', url, operation, said).url


@pytest.mark.skipif(LFS, reason='git-lfs is not installed')
@pytest.mark.parametrize(('url', 'settings', 'file'), SETTINGS)
def test_the_server_is_where_git_lfs_finds_it(
    here: Repo, url: str, settings: dict[str, str], file: str,
) -> None:
    configure(here, url, settings, file)
    lines = here.git('lfs', 'env').splitlines()
    (line,) = (line for line in lines if line.startswith('Endpoint='))
    theirs = line.removeprefix('Endpoint=').rpartition(' (')[0]
    assert found(here) == theirs


def test_a_push_may_go_elsewhere(here: Repo) -> None:
    configure(here, 'https://h/a', {'remote.origin.lfspushurl': 'https://p/'}, '')
    assert found(here) == 'https://h/a.git/info/lfs'
    assert found(here, UPLOAD) == 'https://p'
    here.git('config', 'lfs.pushurl', 'https://q')
    assert found(here, UPLOAD) == 'https://q'


def test_a_committed_lfsconfig_counts_without_a_worktree(here: Repo) -> None:
    configure(here, 'https://h/a', {}, '[lfs]\n\turl = https://l/conf\n')
    here.commit('.lfsconfig', '.lfsconfig')
    (here.path / '.lfsconfig').unlink()
    assert found(here) == 'https://l/conf'
    here.git('rm', '-q', '--cached', '.lfsconfig')
    assert found(here) == 'https://l/conf'


@pytest.mark.parametrize(('url', 'place'), [
    ('git@h:a/b.git', Place('git', 'h', '', 'a/b.git')),
    ('h:a', Place('', 'h', '', 'a')),
    ('ssh://git@h/a', Place('git', 'h', '', '/a')),
    ('ssh://h:22/a', Place('', 'h', '22', '/a')),
    ('git+ssh://h/a', Place('', 'h', '', '/a')),
    ('[git@h:22]:a', Place('git', 'h', '22', 'a')),
    ('[h:22]:a', Place('', 'h', '22', 'a')), ('[::1]:a', Place('', '::1', '', 'a')),
    ('https://h/a', None), ('/a/b', None), ('a/b:c', None), ('ext::sh -c x', None),
])
def test_addresses_of_ssh(url: str, place: Place | None) -> None:
    assert ssh.parse(url) == place


@pytest.mark.parametrize(('variant', 'options'), [
    ('ssh', '-p 22 h'), ('plink', '-P 22 h'), ('putty', '-P 22 h'),
    ('tortoiseplink', '-batch -P 22 h'),
])
@pytest.mark.parametrize('way', ['GIT_SSH', 'GIT_SSH_COMMAND', 'core.sshCommand'])
def test_ssh_is_run_as_git_runs_it(
    here: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str,
    options: str, way: str,
) -> None:
    script = tmp_path / variant
    script.write_text('#!/bin/sh\nprintf "%s\\n" "$*"\n')
    script.chmod(0o755)
    if way.startswith('GIT'):
        monkeypatch.setenv(way, str(script))
    else:
        here.git('config', way, str(script))
    place = Place('', 'h', '22', "it's/a")
    done = ssh.command(place, 'git-lfs-authenticate', place.path, 'upload')
    assert done.out.decode() == (
        f"""{options} git-lfs-authenticate 'it'"'"'s/a' upload\n"""
    )


def test_a_host_is_no_option(here: Repo) -> None:
    with pytest.raises(GitModelError, match="'-oProxyCommand=x' is no name of a host"):
        ssh.command(Place('', '-oProxyCommand=x', '', 'a'), 'true')


@pytest.mark.parametrize('url', [
    'file:///etc/passwd', '/etc/passwd', 'ftp://h/x', 'http:///x', 'https://h:x/', '',
])
def test_what_is_no_address_of_the_web(url: str) -> None:
    assert not addresses.is_web(url)


def test_addresses_are_taken_apart() -> None:
    url = 'https://ann:pw@H.org/a%20b?x=1#f'
    assert addresses.origin(url) == 'https://h.org:443'
    assert addresses.bare(url) == 'https://H.org/a%20b?x=1#f'
    assert addresses.target(url) == '/a%20b?x=1'
    assert addresses.target('http://h') == '/'


def test_sizes_come_from_the_store_and_from_manifests(here: Repo) -> None:
    here.save('m.safetensors', a=[1, 2, 3], b=[4])
    here.commit('one')
    oids = {of_bytes(b'nobody has this'), *here.store()}
    repository = repositories.find()
    store = Store(repository.store_root)
    known = descriptions_of(oids, store, repository)
    assert sorted(known.values()) == [(4, None), (12, None)]
    here.lose()
    known = descriptions_of(oids, store, repository)
    floats = Form(4, FLOAT)
    assert sorted(known.values()) == [(4, floats), (12, floats)]


def test_what_has_come_is_kept_until_it_is_whole(here: Repo) -> None:
    data = os.urandom(2_500_000)
    oid = of_bytes(data)
    store = Store(repositories.find().store_root)
    with incoming(store.root, oid, len(data)) as file:
        file.write(memoryview(data[:1_234_567]))
        with incoming(store.root, oid, len(data)) as other:
            assert other.done == 0      # it is another's
    with incoming(store.root, oid, len(data)) as file:
        assert (file.done, file.is_whole()) == (1_234_567, False)
        file.write(memoryview(data[1_234_567:]))
        assert file.is_whole()
        with pytest.raises(ValueError, match='more bytes than the object has'):
            file.write(memoryview(b'x'))
        with store.batch() as batch:
            batch.put_incoming(file)
        file.remove()
    assert hashlib.sha256(store.read(oid)).hexdigest() == oid.removeprefix('sha256:')
    assert not any((store.root / 'tmp').iterdir())


def test_what_is_small_is_kept_in_memory_until_it_is_whole(here: Repo) -> None:
    data = os.urandom(70_000)
    oid = of_bytes(data)
    store = Store(repositories.find().store_root)
    with incoming(store.root, oid, len(data)) as part:
        part.write(memoryview(data[:40_000]))
        part.restart()
        part.write(memoryview(data[:1]))
        assert (part.done, part.is_whole()) == (1, False)
        part.write(memoryview(data[1:]))
        assert part.is_whole()
        with pytest.raises(ValueError, match='more bytes than the object has'):
            part.write(memoryview(b'x'))
        with store.batch() as batch:
            batch.put_incoming(part)
        part.remove()
    assert store.read(oid) == data
    assert not any((store.root / 'tmp').iterdir())


def test_what_changes_under_our_hands_is_sent_from_the_store(tmp_path: Path) -> None:
    """Of what lies somewhere only those pieces that still are what they were."""
    data = os.urandom(3_000_000)
    (tmp_path / 'srv').mkdir()
    trained, asked = bytearray(data), []
    trained[1_500_000] ^= 1

    def raw(oid: Oid, path: str) -> Span:
        asked.append(path)
        return BytesSpan(memoryview(trained))

    store = Store(tmp_path / 'model', raw=raw)
    with store.batch() as batch:
        oid = batch.put_bytes(data)
    with lfs(tmp_path / 'srv') as server:
        url = f'{server.url}/bare.git/info/lfs'
        place = LfsServer(Endpoint(url), url, UPLOAD, {})
        assert place.upload({oid: len(data)}, {oid: 'm'}, store) == 1
        assert server.stored() == {hex_of(oid)}
    assert asked == ['m']
