"""A conversation with a remote's upload-pack: one connection, whatever goes wrong."""
from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_model_driver.core.errors import GitError
from git_model_driver.git.packstream import PackStream
from git_model_driver.git.pktline import packet
from git_model_driver.git.remoteconfig import RemoteConfig
from git_model_driver.git.transport import Ref
from git_model_driver.git.uploadpack import UploadPack
from git_model_driver.git.way import Program
from git_model_driver.git.way import Unsupported
from git_model_driver.git.way import Way
from tests.testing import servers
from tests.testing.repository import Repo

PREFIX = 'refs/models/'
WAYS = {'file': servers.plain, 'http': servers.http, 'ssh': servers.ssh}
GREETING = b''.join(map(packet, (
    b'version 2\n', b'ls-refs\n', b'fetch=shallow\n',
))) + b'0000'
ONE_REF = packet(b'%s %s1\n' % (b'1' * 40, PREFIX.encode())) + b'0000'


class Counted(Way):
    """Counts connections; each is by this program where one is given."""

    def __init__(self, url: str, *programs: Program) -> None:
        super().__init__(url, Path.cwd(), RemoteConfig())
        self.programs = list(programs)
        self.made = 0

    def program(self) -> Program:
        self.made += 1
        if not self.programs:
            return super().program()
        return self.programs[min(self.made, len(self.programs)) - 1]


@pytest.fixture
def far(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """Three blobs on refs of their own."""
    (tmp_path / 'srv').mkdir()
    far = Repo(tmp_path / 'srv/far.git')
    repo.git('init', '-q', '--bare', str(far.path))
    for number in range(3):
        far.write('../blob', f'blob {number}\n' * (number + 1))
        blob = far.git('hash-object', '-w', '../blob').strip()
        far.git('update-ref', f'{PREFIX}{number}', blob)
        far.git('update-ref', f'refs/other/{number}', blob)
    monkeypatch.setenv('GIT_ALLOW_PROTOCOL', 'file:http:ssh')
    monkeypatch.chdir(repo.path)
    return far


@pytest.fixture(params=WAYS)
def url(request: pytest.FixtureRequest, far: Repo) -> Iterator[str]:
    with WAYS[request.param](far.path.parent) as base:
        yield f'{base}/far.git'


def blobs(server: UploadPack, names: list[str]) -> list[bytes]:
    found: list[bytes] = []

    def take(pack: PackStream) -> None:
        found.extend(b''.join(blob.pieces) for blob in pack.blobs())

    server.fetch(names, take)
    return sorted(found)


def scripted(*answers: bytes) -> Program:
    """Says one piece when it is greeted, one for each question, and goes."""
    said = (
        "printf '%b' '" + ''.join(f'{chr(92)}0{byte:03o}' for byte in answer) + "'"
        for answer in answers
    )
    wait = '; dd bs=65536 count=1 >/dev/null 2>&1; '
    return Program(('sh', '-c', wait.join(said)))


def test_one_connection_is_enough(url: str) -> None:
    way = Counted(url)
    with UploadPack(way, 'sha1') as server:
        refs = server.refs(PREFIX)
        assert [ref.name for ref in refs] == [f'{PREFIX}{i}' for i in range(3)]
        assert server.refs('refs/heads/') == []
        for _ in range(2):
            assert blobs(server, [refs[0].oid, refs[2].oid]) == [
                b'blob 0\n', b'blob 2\n' * 3]
        assert server.refs(PREFIX) == refs
        assert way.made == 1
    with server:
        assert server.refs(PREFIX) == refs
    assert way.made == 2


def test_what_it_does_not_have_git_is_to_ask_for(url: str) -> None:
    with UploadPack(Counted(url), 'sha1') as server:
        with pytest.raises(Unsupported):
            blobs(server, ['1' * 40])
        assert len(server.refs(PREFIX)) == 3        # on another connection


def test_a_connection_that_ended_meanwhile_is_made_again(far: Repo) -> None:
    way = Counted(str(far.path))
    with UploadPack(way, 'sha1') as server:
        refs = server.refs(PREFIX)
        connection = server._connection
        assert connection is not None
        connection._process.kill()
        connection._process.wait()
        assert server.refs(PREFIX) == refs
    assert way.made == 2


@pytest.mark.parametrize('error', [OSError(28, 'full'), KeyboardInterrupt()])
def test_what_fails_here_leaves_nothing_in_the_pipe(
    far: Repo, error: BaseException,
) -> None:
    def take(pack: PackStream) -> None:
        raise error

    with UploadPack(Counted(str(far.path)), 'sha1') as server:
        refs = server.refs(PREFIX)
        with pytest.raises(type(error)):
            server.fetch([refs[0].oid], take)
        assert server.refs(PREFIX) == refs


def test_names_of_the_other_kind_are_left_to_git(far: Repo) -> None:
    with UploadPack(Counted(str(far.path)), 'sha256') as server, (
        pytest.raises(Unsupported)
    ):
        server.refs(PREFIX)


@pytest.mark.parametrize('answers', [
    [],
    [packet(b'version 1\n') + b'0000', ONE_REF],
    [b'0000', ONE_REF],
    [packet(b'version 2\n') + packet(b'ls-refs\n') + b'0000', ONE_REF],
    [GREETING[:-4]],
    [GREETING],
    [GREETING, b'zzzz'],
    [GREETING, b'0002'],
    [GREETING, ONE_REF[:-9]],
    [GREETING, ONE_REF[:-4] + b'0002'],     # an answer that ends too soon
    [GREETING, packet(b'ERR no such thing\n')],
    [GREETING, packet(b'oneword\n') + b'0000'],
    [GREETING, packet(b'--help:x refs/models/1\n') + b'0000'],
    [GREETING, packet(b'1' * 41 + b' refs/models/1\n') + b'0000'],
], ids=range(14))
def test_who_does_not_speak_version_2_is_left_to_git(
    repo: Repo, answers: list[bytes],
) -> None:
    with UploadPack(Counted('x', scripted(*answers)), 'sha1') as server, (
        pytest.raises(Unsupported)
    ):
        server.refs(PREFIX)


def test_the_end_of_an_answer_may_be_said_twice(repo: Repo) -> None:
    """As remote helpers do, for which each request is one of its own."""
    program = scripted(GREETING, ONE_REF + b'0002', ONE_REF)
    with UploadPack(Counted('x', program), 'sha1') as server:
        for _ in range(2):
            assert server.refs(PREFIX) == [Ref(f'{PREFIX}1', '1' * 40)]


@pytest.mark.parametrize('pack', [
    b'PACK', b'no pack at all, and long enough to be one', b'',
])
def test_a_pack_that_breaks_off(repo: Repo, pack: bytes) -> None:
    answer = packet(b'packfile\n') + packet(b'\1' + pack) + b'0000'
    way = Counted('x', scripted(GREETING, answer))
    with UploadPack(way, 'sha1') as server:
        with pytest.raises(GitError, match="'x' broke off while tensors arrived") as e:
            blobs(server, ['1' * 40])
    assert e.value.hints == (
        'run the command again: it goes on where this one ended',)


def test_what_a_helper_says_of_a_broken_transfer_is_told(repo: Repo) -> None:
    answer = packet(b'packfile\n') + packet(b'\1PACK')
    command = scripted(GREETING, answer).command[-1] + (
        "; printf 'Be welcome.\nerror: RPC failed; curl 18\n' >&2")
    way = Counted('x', Program(('sh', '-c', command)))
    with UploadPack(way, 'sha1') as server, (
        pytest.raises(GitError, match='while tensors arrived: RPC failed; curl 18')
    ):
        blobs(server, ['1' * 40])


def test_an_error_in_the_middle_ends_the_connection(repo: Repo) -> None:
    answer = packet(b'packfile\n') + packet(b'\1PACK') + packet(b'ERR gone\n')
    way = Counted('x', scripted(GREETING, answer), scripted(GREETING, ONE_REF))
    with UploadPack(way, 'sha1') as server:
        with pytest.raises(Unsupported):
            blobs(server, ['1' * 40])
        assert len(server.refs(PREFIX)) == 1
    assert way.made == 2


def test_what_git_says_of_a_failure_is_told(far: Repo) -> None:
    """It would say it a second time, and ask for a password before."""
    with servers.http(far.path.parent) as base:
        url = f'{base}/none.git'
        with UploadPack(Counted(url), 'sha1') as server, (
            pytest.raises(GitError, match=f"repository '{url}/' not found")
        ):
            server.refs(PREFIX)


def test_who_does_not_speak_version_2_is_not_asked_again(repo: Repo) -> None:
    way = Counted('x', scripted(packet(b'version 1\n') + b'0000'))
    for _ in range(2):
        with UploadPack(way, 'sha1') as server:
            for _ in range(2):
                with pytest.raises(Unsupported):
                    server.refs(PREFIX)
    assert way.made == 2


def test_what_ssh_says_is_told(repo: Repo) -> None:
    said = 'echo "Be welcome." >&2; echo "Permission denied (publickey)." >&2; exit 255'
    way = Counted('x', Program(('sh', '-c', said)))
    with UploadPack(way, 'sha1') as server, pytest.raises(GitError) as e:
        server.refs(PREFIX)
    assert e.value.message == "cannot read from 'x': Permission denied (publickey)."
    assert 'see that "git ls-remote x" works' in e.value.hints[0]


def test_a_program_that_does_not_end_is_ended(repo: Repo) -> None:
    program = Program(('sh', '-c', "trap '' TERM; printf 0000; exec sleep 60"))
    began = time.monotonic()
    with UploadPack(Counted('x', program), 'sha1') as server, (
        pytest.raises(Unsupported)
    ):
        server.refs(PREFIX)
    assert time.monotonic() - began < 30


def test_a_wrong_password_is_asked_for_once(
    far: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = tmp_path / 'asked'
    askpass = tmp_path / 'askpass'
    askpass.write_text(f'#!/bin/sh\necho "$1" >>"{asked}"\necho wrong\n')
    askpass.chmod(0o755)
    monkeypatch.setenv('GIT_ASKPASS', str(askpass))
    faults = servers.Faults()
    faults.password = 'right'
    with servers.http(far.path.parent, faults) as base:
        with UploadPack(Counted(f'{base}/far.git'), 'sha1') as server, (
            pytest.raises(GitError, match='Authentication failed')
        ):
            server.refs(PREFIX)
    assert len(asked.read_text().splitlines()) == 2     # a name, and a password


def test_nothing_is_left_running(far: Repo) -> None:
    with UploadPack(Counted(str(far.path)), 'sha1') as server:
        server.refs(PREFIX)
        connection = server._connection
        assert connection is not None
        pid = connection._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
