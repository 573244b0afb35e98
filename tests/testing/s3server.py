"""An S3 server of its own process (moto), that can be had to fail: tests.testing.s3."""
from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from moto.server import DomainDispatcherApplication
from moto.server import create_backend_app
from werkzeug.serving import WSGIRequestHandler
from werkzeug.serving import make_server

_DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>InvalidAccessKeyId</Code>'
    b'<Message>The AWS Access Key Id you provided does not exist in our records.'
    b'</Message></Error>'
)


class Failing:
    """The server, with a log of what it was asked; ``/_test`` says what is to fail.

    down    no question is answered from the n-th of a method (and the end of a path)
            on, which is cut
    deny    nobody has the right to anything
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._log: list[tuple[str, str]] = []
        self._control: dict[str, Any] = {}

    def __call__(self, environ: Any, start: Any) -> Iterable[bytes]:
        path, method = environ['PATH_INFO'], environ['REQUEST_METHOD']
        if path == '/_test':
            length = int(environ.get('CONTENT_LENGTH') or 0)
            self._control = json.loads(environ['wsgi.input'].read(length))
            log, self._log = self._log, []
            start('200 OK', [('Content-Type', 'application/json')])
            return [json.dumps(log).encode()]
        self._log.append((method, path))
        if self._control.get('deny'):
            start('403 Forbidden', [('Content-Type', 'application/xml')])
            return [] if method == 'HEAD' else [_DENIED]
        down = self._control.get('down')
        if down is not None and method == down[0] and path.endswith(down[2]):
            down[1] -= 1
        if down is not None and down[1] <= 0:
            return self._cut(environ, start, method)
        return self._app(environ, start)

    def _cut(self, environ: Any, start: Any, method: str) -> Iterable[bytes]:
        """Half of the question is read, or of the answer given, the first time."""
        first, self._control['down'] = self._control['down'][0], ['', 0, '']
        if first == method == 'GET':
            body = b''.join(self._app(environ, start))
            yield body[:len(body) // 2]
        elif first == method == 'PUT':
            environ['wsgi.input'].read(int(environ.get('CONTENT_LENGTH') or 0) // 2)
        environ['werkzeug.socket'].shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError


class _Handler(WSGIRequestHandler):
    def log(self, *args: object) -> None:
        pass


def main() -> None:
    app = Failing(DomainDispatcherApplication(create_backend_app))
    server = make_server('127.0.0.1', 0, app, True, request_handler=_Handler)
    print(server.port, flush=True)
    sys.stderr.close()
    server.serve_forever()


if __name__ == '__main__':
    main()
