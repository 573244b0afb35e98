"""Blobs straight from ``git upload-pack``, protocol version 2 (gitprotocol-v2(5)).

``git fetch`` computes the SHA-1 of all that arrives twice and writes it to disk once
more than is needed, a third of what a clone costs. What we get is compared with our own
SHA-256.
"""
from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import unquote

from git_model_driver import __version__
from git_model_driver.core.errors import GitError
from git_model_driver.core.errors import GitModelError
from git_model_driver.git import run
from git_model_driver.git import settings
from git_model_driver.git import ssh
from git_model_driver.git.packstream import Difference
from git_model_driver.git.packstream import PackStream
from git_model_driver.git.pktline import FLUSH
from git_model_driver.git.pktline import ProtocolError
from git_model_driver.git.pktline import packet
from git_model_driver.git.repository import is_far
from git_model_driver.git.repository import local_git_dir
from git_model_driver.git.ssh import Place

_DELIMITER = b'0001'
_DATA, _FATAL = 1, 3
_HTTP = ('http', 'https')
_OLD_PROTOCOLS = ('0', '1')


class Unsupported(Exception):
    """Not to be had this way; ``git fetch`` may know how."""


def fetch(
    url: str, names: Sequence[str], algorithm: str, take: Callable[[PackStream], None],
) -> None:
    """Have ``take`` read the pack with the blobs of these names.

    Raises Unsupported, GitError; some may have been taken then.
    """
    with _connected(url) as (answers, requests):
        _check(_Packets(answers).lines(), algorithm)
        _send(requests, names, algorithm)
        packets = _Packets(answers)
        if packets.line() != 'packfile':
            raise Unsupported
        try:
            take(PackStream(packets.data()))
        except Difference:
            raise Unsupported from None
        except (EOFError, ProtocolError, ValueError) as e:
            raise GitError(
                f"'{url}' broke off while tensors arrived: {e}",
                'run the command again: it goes on where this one ended',
            ) from None


def _check(capabilities: Sequence[str], algorithm: str) -> None:
    if 'version 2' not in capabilities:
        raise Unsupported
    if not any(line.startswith('fetch') for line in capabilities):
        raise Unsupported
    formats = [c for c in capabilities if c.startswith('object-format=')]
    if (formats or ['object-format=sha1']) != [f'object-format={algorithm}']:
        raise Unsupported


def _send(requests: IO[bytes], names: Sequence[str], algorithm: str) -> None:
    head = [b'command=fetch\n', f'agent=git-model/{__version__}\n'.encode()]
    if algorithm != 'sha1':
        head.append(f'object-format={algorithm}\n'.encode())
    body = [b'no-progress\n', *(f'want {n}\n'.encode() for n in names), b'done\n']
    try:
        requests.write(
            b''.join(map(packet, head)) + _DELIMITER
            + b''.join(map(packet, body)) + FLUSH,
        )
        requests.flush()
    except BrokenPipeError:
        raise Unsupported from None


class _Packets:
    """Packets of an answer: there are more kinds than in a filter's."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def _next(self) -> bytes | None:
        head = self._stream.read(4)
        if len(head) < 4:
            raise EOFError('the connection ended')
        try:
            length = int(head, 16)
        except ValueError:
            raise ProtocolError(f'{head!r} is no packet length') from None
        if length < 4:
            return None
        data = self._stream.read(length - 4)
        if len(data) < length - 4:
            raise EOFError('the connection ended')
        if data.startswith(b'ERR '):
            raise Unsupported       # git fetch will say it in its own words
        return data

    def line(self) -> str:
        try:
            return (self._next() or b'').decode(errors='replace').rstrip('\n')
        except (EOFError, ProtocolError):
            raise Unsupported from None

    def lines(self) -> list[str]:
        found = []
        while line := self.line():
            found.append(line)
        return found

    def data(self) -> Iterator[memoryview]:
        """What is in the band of the pack."""
        while packet_ := self._next():
            if packet_[0] == _DATA:
                yield memoryview(packet_)[1:]
            elif packet_[0] == _FATAL:
                raise ProtocolError(packet_[1:].decode(errors='replace').strip())


@contextmanager
def _connected(url: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    command, greeting = _command(url)
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
                bufsize=1 << 17, env=_environment(bool(greeting)),
            )
        except OSError:
            raise Unsupported from None
        assert process.stdin and process.stdout
        try:
            if greeting:
                _greet(process.stdin, process.stdout, greeting)
            yield process.stdout, process.stdin
        finally:
            process.stdout.close()
            _close(process.stdin)
            process.terminate()
            process.wait()


def _environment(of_ours: bool) -> dict[str, str]:
    """What is said of our repository means nothing in another."""
    kept = dict(os.environ)
    if not of_ours:
        for name in run.text('rev-parse', '--local-env-vars').split('\n'):
            kept.pop(name, None)
    return {**kept, 'GIT_PROTOCOL': 'version=2'}


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        pass


def _greet(requests: IO[bytes], answers: IO[bytes], service: bytes) -> None:
    """Have a remote helper connect us (gitremote-helpers(7))."""
    try:
        requests.write(b'stateless-connect ' + service + b'\n')
        requests.flush()
    except BrokenPipeError:
        raise Unsupported from None
    if answers.readline() != b'\n':
        raise Unsupported


def _command(url: str) -> tuple[tuple[str, ...], bytes]:
    """The program that connects us, and what to ask it for if it is a helper."""
    if _setting('protocol.version') in _OLD_PROTOCOLS:
        raise Unsupported
    address = _address(url)
    scheme, colon, _ = address.partition('://')
    if colon and scheme in _HTTP:
        _check_allowed(scheme)
        return ('git', f'remote-{scheme}', url, address), b'git-upload-pack'
    if place := ssh.parse(address):
        _check_allowed('ssh')
        return _over_ssh(place, address), b''
    return ('git', 'upload-pack', _path(address)), b''


def _address(url: str) -> str:
    if any(_setting(f'remote.{url}.{key}') for key in ('uploadpack', 'vcs')):
        raise Unsupported
    return run.text('ls-remote', '--get-url', url)


def _path(address: str) -> str:
    """Where on this machine that is. Raises Unsupported."""
    _check_allowed('file')
    scheme, colon, rest = address.partition('://')
    if colon and scheme == 'file':
        return unquote(rest)
    if colon or is_far(address) or '::' in address or not os.path.isdir(address):
        raise Unsupported
    return address


def near(url: str) -> Path | None:
    """The objects of a repository of this machine: they need no server."""
    try:
        git_dir = local_git_dir(_path(_address(url)), Path.cwd())
    except Unsupported:
        return None
    return git_dir / 'objects' if git_dir else None


def _over_ssh(place: Place, address: str) -> tuple[str, ...]:
    path = place.path[1:] if place.path.startswith('/~') else place.path
    if '%' in address or not path or path.startswith('-'):
        raise Unsupported       # git knows what is meant
    # Always in quotes: git-shell, and what hosts run, ask for them.
    quoted = "'" + path.replace("'", "'\\''").replace('!', "'\\!'") + "'"
    try:
        return ssh.line(place, f'git-upload-pack {quoted}', tells_version=True)
    except GitModelError:
        raise Unsupported from None


def _check_allowed(scheme: str) -> None:
    """Whoever forbids protocols is left to git, which knows all the ways to."""
    allowed = os.environ.get('GIT_ALLOW_PROTOCOL')
    if allowed is not None and scheme in allowed.split(':'):
        return
    settings = map(_setting, (f'protocol.{scheme}.allow', 'protocol.allow'))
    if allowed is not None or any(settings) or 'GIT_PROTOCOL_FROM_USER' in os.environ:
        raise Unsupported


def _setting(key: str) -> str:
    return (settings.get((), key) or '').strip()
