"""A program that talks for a remote, in packets (gitprotocol-common(5))."""
from __future__ import annotations

import io
import subprocess
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import IO

from git_model_driver.git.pktline import FLUSH
from git_model_driver.git.pktline import ProtocolError
from git_model_driver.git.way import Program
from git_model_driver.git.way import Unsupported

_RESPONSE_END = b'0002'
_DATA, _FATAL = 1, 3
_MOST_SAID = 1 << 16
_PIECE = 256 << 10
_PATIENCE = 5           # seconds for a program to end in


class Packets:
    """Packets of an answer: there are more kinds than in a filter's."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._peeked: list[bytes | None] = []
        self._is_between = True     # an answer has ended, or none has begun

    def begin(self) -> None:
        """Wait for an answer. Raises EOFError."""
        self._peeked.append(self._next())

    def _next(self) -> bytes | None:
        """None at the end of an answer. Raises EOFError, ProtocolError, Unsupported."""
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
        return _text(self._next() or b'')

    def lines(self) -> list[str]:
        found = []
        while (packet_ := self._next()) is not None:
            found.append(_text(packet_))
        return found

    def data(self) -> Iterator[memoryview]:
        """What is in the band of the pack, in larger pieces: git sends 8 KB each."""
        parts: list[memoryview] = []
        nbytes = 0
        while packet_ := self._next():
            if packet_[0] == _DATA:
                parts.append(memoryview(packet_)[1:])
                nbytes += len(packet_) - 1
            elif packet_[0] == _FATAL:
                raise ProtocolError(packet_[1:].decode(errors='replace').strip())
            if nbytes >= _PIECE:
                yield memoryview(b''.join(parts))
                parts, nbytes = [], 0
        if parts:
            yield memoryview(b''.join(parts))


def _text(line: bytes) -> str:
    return line.decode(errors='surrogateescape').rstrip('\n')


class Ended(EOFError):
    """A program ended without a word to us. ``said`` is what it told the user."""

    def __init__(self, code: int, said: bytes) -> None:
        super().__init__('the connection ended')
        self.code = code
        self.said = said


class Connection:
    """A program that talks for the other side."""

    def __init__(self, program: Program) -> None:
        env = program.environment()
        self._service = program.service
        self._said = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                program.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=self._said, bufsize=1 << 17, env=env,
            )
        except OSError:
            self._said.close()
            raise Unsupported from None
        assert self._process.stdin is not None
        assert isinstance(self._process.stdout, io.BufferedReader)
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._packets = Packets(self._answers)

    def greet(self, check: Callable[[Sequence[str]], None]) -> None:
        """Have what the other side can do checked. Raises what that does; Unsupported,
        Ended. The program has ended then.
        """
        try:
            if self._service:       # gitremote-helpers(7)
                self._send(b'stateless-connect ' + self._service + b'\n')
            if not self._answers.peek(1):
                raise BrokenPipeError
            if self._service and self._answers.readline() != b'\n':
                raise Unsupported
            check(self._packets.lines())
        except BrokenPipeError:
            raise Ended(*self._ended()) from None
        except (EOFError, ProtocolError):
            self.close()
            raise Unsupported from None
        except BaseException:
            self.close()
            raise

    def _ended(self) -> tuple[int, bytes]:
        """The code with which it ends by itself, soon, and what it said."""
        try:
            code = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            code = 1
        return code, self.close()

    def asked(self, request: bytes) -> Packets:
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
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._said as file:
            file.seek(0)
            return file.read(_MOST_SAID)
