"""A conversation with ``git upload-pack``, protocol version 2 (gitprotocol-v2(5)).

``git fetch`` computes the SHA-1 of all that arrives twice and writes it to disk once
more than is needed, a third of what a clone costs; and each command of git's own makes
a connection of its own, which over ssh and https takes longer than what is asked for.
What we get is compared with our own SHA-256.
"""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import partial

from git_model_driver import __version__
from git_model_driver.core.errors import GitError
from git_model_driver.git import run
from git_model_driver.git import transport
from git_model_driver.git.connection import Connection
from git_model_driver.git.connection import Ended
from git_model_driver.git.connection import Packets
from git_model_driver.git.packstream import Difference
from git_model_driver.git.packstream import PackStream
from git_model_driver.git.pktline import FLUSH
from git_model_driver.git.pktline import ProtocolError
from git_model_driver.git.pktline import packet
from git_model_driver.git.run import Result
from git_model_driver.git.transport import Ref
from git_model_driver.git.way import Unsupported
from git_model_driver.git.way import Way

_DELIMITER = b'0001'
_HEX = frozenset('0123456789abcdef')
_DIGITS = {'sha1': 40, 'sha256': 64}
_COMMANDS = ('ls-refs', 'fetch')


class UploadPack:
    """That of a remote: one connection, made for the first question, used for all until
    the ``with`` ends. Another ``with`` makes another, unless the other side turned out
    not to talk to us.
    """

    def __init__(self, way: Way, algorithm: str) -> None:
        """``algorithm`` is that of names here: sha1 or sha256."""
        self._way = way
        self._algorithm = algorithm
        self._connection: Connection | None = None
        self._is_unsupported = False

    def __enter__(self) -> UploadPack:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def _close(self) -> bytes:
        """What the program told the user."""
        connection, self._connection = self._connection, None
        return connection.close() if connection else b''

    def refs(self, prefix: str) -> list[Ref]:
        """Those that begin with it. Raises Unsupported, GitError in git's own words."""
        try:
            packets = self._asked('ls-refs', [f'ref-prefix {prefix}'])
            return [self._ref(line) for line in packets.lines()]
        except (EOFError, ProtocolError):
            self._close()
            raise Unsupported from None     # git will say it in its own words
        except BaseException:
            self._close()
            raise

    def _ref(self, line: str) -> Ref:
        name, _, ref = line.partition(' ')
        if not ref or len(name) != _DIGITS[self._algorithm] or not set(name) <= _HEX:
            raise ProtocolError(f'no ref: {line[:80]!r}')
        return Ref(ref.split(' ')[0], name)

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
            self._close()
            raise Unsupported from None
        self._taken(packets.data(), take)

    def _taken(
        self, data: Iterator[memoryview], take: Callable[[PackStream], None],
    ) -> None:
        try:
            take(PackStream(data))
            for _ in data:      # the pack's own sum, and what ends the answer
                pass
        except Difference:
            self._close()
            raise Unsupported from None
        except (EOFError, ProtocolError, ValueError) as e:
            said = run.failures_in(self._close())
            raise GitError(
                f"'{self._way.url}' broke off while tensors arrived: {[*said, e][0]}",
                'run the command again: it goes on where this one ended',
            ) from None
        except BaseException:   # the rest of this answer is not the next one's
            self._close()
            raise

    def _asked(self, command: str, arguments: Sequence[str]) -> Packets:
        """Its answer is to be read. Raises Unsupported, GitError, EOFError."""
        head = [f'command={command}', f'agent=git-model/{__version__}']
        if self._algorithm != 'sha1':
            head.append(f'object-format={self._algorithm}')
        request = _lines(head) + _DELIMITER + _lines(arguments) + FLUSH
        if self._connection is not None:
            try:        # it may have been idle for too long
                return self._connection.asked(request)
            except (EOFError, BrokenPipeError):
                self._close()
        self._connection = self._connected()
        try:
            return self._connection.asked(request)
        except BrokenPipeError:
            raise EOFError('the connection ended') from None

    def _connected(self) -> Connection:
        if self._is_unsupported:
            raise Unsupported
        try:
            connection = Connection(self._way.program())
            connection.greet(partial(_check, algorithm=self._algorithm))
        except Unsupported:
            self._is_unsupported = True
            raise
        except Ended as e:
            # Git would wait for it, or ask for a password, once more to say the same.
            if e.said:
                said = Result(e.code or 1, b'', self._told(e.said))
                transport.check(said, 'ls-remote', self._way.url)
            raise
        return connection

    def _told(self, said: bytes) -> bytes:
        """What a program said at its end, if it does not say itself what is wrong."""
        if run.failures_in(said):
            return said
        last = said.strip().rpartition(b'\n')[2]
        return f"fatal: cannot read from '{self._way.url}': ".encode() + last


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
