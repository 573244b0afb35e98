"""Before a server over HTTP another, that can be had to fail."""
from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import NamedTuple

from tests.testing.servers import HOST


class Answer(NamedTuple):
    """What is given to every question in place of the server's answer."""

    status: int
    kind: str
    body: bytes


class Faults:
    """What is wrong; it may be changed while the server runs.

    deny        the answer to every question
    method      of the questions that are counted
    answered    so many of them still are; then the server is gone
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.well()

    def well(self) -> None:
        self.deny: Answer | None = None
        self.method = ''
        self.answered = 0
        self.asked: list[tuple[str, str]] = []
        self._is_gone = False

    def count(self, method: str, path: str) -> bool:
        """Whether this one is answered."""
        with self._lock:
            self.asked.append((method, path))
            if self._is_gone or method != self.method:
                return not self._is_gone
            self.answered -= 1
            self._is_gone = self.answered < 0
            return not self._is_gone


class _Front(BaseHTTPRequestHandler):
    faults: Faults
    behind: int

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        deny = self.faults.deny
        if not self.faults.count(self.command, self.path):
            self.connection.shutdown(socket.SHUT_RDWR)
        elif deny is not None:
            fields = [('Content-Type', deny.kind), ('Content-Length', len(deny.body))]
            self._give(deny.status, fields, deny.body)
        else:
            self._pass_on(body)

    def _pass_on(self, body: bytes) -> None:
        server = http.client.HTTPConnection(HOST, self.behind)
        server.putrequest(self.command, self.path, True, True)
        for name, value in self.headers.items():
            if name.lower() != 'connection':
                server.putheader(name, value)
        server.putheader('Connection', 'close')
        with suppress(OSError):     # it may have answered before it has read all
            server.endheaders(body)
        answer = server.getresponse()
        skipped = ('connection', 'keep-alive', 'transfer-encoding')
        fields = [f for f in answer.getheaders() if f[0].lower() not in skipped]
        self._give(answer.status, fields, answer.read())
        server.close()

    def _give(self, status: int, fields: list[tuple[str, object]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in fields:
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        """Who asked may be gone."""


@contextmanager
def before(port: int) -> Iterator[tuple[int, Faults]]:
    """A port that leads to another of this machine, and what is wrong on the way."""
    faults = Faults()
    handler = type('Handler', (_Front,), {'faults': faults, 'behind': port})
    server = _Server((HOST, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], faults
    finally:
        server.shutdown()
        server.server_close()
