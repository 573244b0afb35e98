"""Git servers on this machine: git's own daemon, and http-backend behind Python's."""
from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path

HOST = '127.0.0.1'


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """The repositories below a folder, at git://; anybody may push."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen((
        'git', 'daemon', '--reuseaddr', '--export-all', '--enable=receive-pack',
        '--informative-errors', f'--base-path={folder}', f'--listen={HOST}',
        f'--port={port}', str(folder),
    ), stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f'git://{HOST}:{port}'
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection((HOST, port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError('the server does not answer')


class Backend(BaseHTTPRequestHandler):
    """CGI (RFC 3875) as far as git http-backend needs it."""

    protocol_version = 'HTTP/1.0'
    root: Path

    def do_GET(self) -> None:
        self._answer(b'')

    def do_POST(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get('Transfer-Encoding') == 'chunked':
            return b''.join(iter(self._chunk, b''))
        return self.rfile.read(int(self.headers.get('Content-Length', 0)))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline(), 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _answer(self, body: bytes) -> None:
        path, _, query = self.path.partition('?')
        done = subprocess.run(
            ('git', 'http-backend'), input=body, capture_output=True, check=False,
            env={
                **os.environ, 'GIT_PROJECT_ROOT': str(self.root),
                'GIT_HTTP_EXPORT_ALL': '1', 'PATH_INFO': path, 'QUERY_STRING': query,
                'REQUEST_METHOD': self.command, 'REMOTE_ADDR': HOST,
                'REMOTE_USER': 'ann',
                'CONTENT_TYPE': self.headers.get('Content-Type', ''),
                'CONTENT_LENGTH': str(len(body)),
                'HTTP_CONTENT_ENCODING': self.headers.get('Content-Encoding', ''),
                'GIT_PROTOCOL': self.headers.get('Git-Protocol', ''),
            },
        )
        head, _, data = done.stdout.partition(b'\r\n\r\n')
        fields = dict(line.split(b': ', 1) for line in head.split(b'\r\n') if line)
        self.send_response(int(fields.pop(b'Status', b'200').split()[0]))
        for name, value in fields.items():
            self.send_header(name.decode(), value.decode())
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def http(folder: Path) -> Iterator[str]:
    """The repositories below a folder, at http://; anybody may push."""
    handler = type('Handler', (Backend,), {'root': folder})
    server = ThreadingHTTPServer((HOST, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f'http://{HOST}:{server.server_address[1]}'
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def plain(folder: Path) -> Iterator[str]:
    """The folder itself, at file://."""
    yield f'file://{folder}'
