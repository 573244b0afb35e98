"""A conversation with ``git upload-pack``, protocol version 2 (gitprotocol-v2(5)).

``git fetch`` computes the SHA-1 of all that arrives twice and writes it to disk once
more than is needed, a third of what a clone costs; and each command of git's own makes
a connection of its own, which over ssh and https takes longer than what is asked for.
What we get is compared with our own SHA-256.
"""
from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import IO

from git_model_driver import __version__
from git_model_driver.core.errors import GitError
from git_model_driver.git import transport
from git_model_driver.git.packstream import Difference
from git_model_driver.git.packstream import PackStream
from git_model_driver.git.pktline import FLUSH
from git_model_driver.git.pktline import ProtocolError
from git_model_driver.git.pktline import packet
from git_model_driver.git.run import Result
from git_model_driver.git.transport import Ref
from git_model_driver.git.way import Program
from git_model_driver.git.way import Unsupported
from git_model_driver.git.way import Way

_DELIMITER, _RESPONSE_END = b'0001', b'0002'
_DATA, _FATAL = 1, 3
_MOST_SAID = 1 << 16
_COMMANDS = ('ls-refs', 'fetch')


class UploadPack:
    """That of a remote: one connection, made for the first question, used for all until
    the ``with`` ends. Another ``with`` makes another.
    """

    def __init__(self, way: Way, algorithm: str) -> None:
        """``algorithm`` is that of names here: sha1 or sha256."""
        self._way = way
        self._algorithm = algorithm
        self._connection: _Connection | None = None

    def __enter__(self) -> UploadPack:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def refs(self, prefix: str) -> list[Ref]:
        """Those that begin with it. Raises Unsupported, GitError in git's own words."""
        try:
            packets = self._asked('ls-refs', [f'ref-prefix {prefix}'])
            found = [line.split(' ')[:2] for line in packets.lines()]
            return [Ref(name, oid) for oid, name in found]
        except (EOFError, ProtocolError, ValueError, Unsupported):
            self.__exit__()
            raise Unsupported from None     # git will say it in its own words

    def fetch(
        self, names: Sequence[str], take: Callable[[PackStream], None],
    ) -> None:
        """Have ``take`` read the pack with what these objects lead to.

        Raises Unsupported, GitError; some may have been taken then.
        """
        wants = [f'want {name}' for name in names]
        try:
            packets = self._asked('fetch', ['no-progress', *wants, 'done'])
            if packets.line() != 'packfile':
                raise Unsupported
        except (EOFError, ProtocolError, Unsupported):
            self.__exit__()
            raise Unsupported from None
        data = packets.data()
        try:
            take(PackStream(data))
            for _ in data:      # the pack's own sum, and what ends the answer
                pass
        except (Difference, Unsupported):
            self.__exit__()
            raise Unsupported from None
        except (EOFError, ProtocolError, ValueError) as e:
            self.__exit__()
            raise GitError(
                f"'{self._way.url}' broke off while tensors arrived: {e}",
                'run the command again: it goes on where this one ended',
            ) from None

    def _asked(self, command: str, arguments: Sequence[str]) -> _Packets:
        """Its answer is to be read. Raises Unsupported, GitError, EOFError."""
        head = [f'command={command}', f'agent=git-model/{__version__}']
        if self._algorithm != 'sha1':
            head.append(f'object-format={self._algorithm}')
        request = _lines(head) + _DELIMITER + _lines(arguments) + FLUSH
        if self._connection is not None:
            try:        # it may have been idle for too long
                return self._connection.asked(request)
            except (EOFError, BrokenPipeError):
                self.__exit__()
        self._connection = self._connected()
        try:
            return self._connection.asked(request)
        except BrokenPipeError:
            raise EOFError('the connection ended') from None

    def _connected(self) -> _Connection:
        connection = _Connection(self._way.program())
        try:
            _check(connection.greeted(), self._algorithm)
        except (EOFError, BrokenPipeError, ProtocolError):
            said = connection.close()
            if b'fatal: ' in said:      # git would say the same, and ask for a password
                transport.check(Result(128, b'', said), 'ls-remote', self._way.url)
            raise Unsupported from None
        except BaseException:
            connection.close()
            raise
        return connection


def _lines(words: Sequence[str]) -> bytes:
    return b''.join(packet(f'{word}\n'.encode()) for word in words)


def _check(capabilities: Sequence[str], algorithm: str) -> None:
    """Raises Unsupported."""
    names = {line.partition('=')[0] for line in capabilities}
    if 'version 2' not in capabilities or not names.issuperset(_COMMANDS):
        raise Unsupported
    formats = [c for c in capabilities if c.startswith('object-format=')]
    if (formats or ['object-format=sha1']) != [f'object-format={algorithm}']:
        raise Unsupported


class _Packets:
    """Packets of an answer: there are more kinds than in a filter's."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._peeked: list[bytes | None] = []
        self._is_between = True     # an answer has ended, or none has begun

    def begin(self) -> None:
        """Wait for an answer. Raises EOFError."""
        self._peeked.append(self._next())

    def _next(self) -> bytes | None:
        """None at the end of an answer."""
        if self._peeked:
            return self._peeked.pop()
        head = self._stream.read(4)
        # Where each request is one of its own (http), this follows the answer's end.
        if head == _RESPONSE_END and self._is_between:
            head = self._stream.read(4)
        if len(head) < 4 or head == _RESPONSE_END:
            raise EOFError('the connection ended')
        try:
            length = int(head, 16)
        except ValueError:
            raise ProtocolError(f'{head!r} is no packet length') from None
        self._is_between = head == FLUSH
        if length < 4:
            return None
        data = self._stream.read(length - 4)
        if len(data) < length - 4:
            raise EOFError('the connection ended')
        if data.startswith(b'ERR '):
            raise Unsupported       # git will say it in its own words
        return data

    def line(self) -> str:
        return (self._next() or b'').decode(errors='surrogateescape').rstrip('\n')

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


class _Connection:
    """A program that talks for the other side."""

    def __init__(self, program: Program) -> None:
        self._service = program.service
        self._said = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                program.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=self._said, bufsize=1 << 17, env=program.environment(),
            )
        except OSError:
            raise Unsupported from None
        assert self._process.stdin and self._process.stdout
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._packets = _Packets(self._answers)

    def greeted(self) -> list[str]:
        """What the other side can do. Raises Unsupported, EOFError, ProtocolError."""
        if self._service:       # gitremote-helpers(7)
            self._send(b'stateless-connect ' + self._service + b'\n')
            answer = self._answers.readline()
            if not answer:
                raise EOFError('the connection ended')
            if answer != b'\n':
                raise Unsupported
        return self._packets.lines()

    def asked(self, request: bytes) -> _Packets:
        """The packets of its answer. Raises BrokenPipeError, EOFError."""
        self._send(request)
        self._packets.begin()
        return self._packets

    def _send(self, data: bytes) -> None:
        self._requests.write(data)
        self._requests.flush()

    def close(self) -> bytes:
        """Ends the program; what it told the user."""
        self._answers.close()
        try:
            self._requests.close()
        except BrokenPipeError:
            pass
        self._process.terminate()
        self._process.wait()
        with self._said as file:
            file.seek(0)
            return file.read(_MOST_SAID)
