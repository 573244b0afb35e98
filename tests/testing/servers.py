"""Git servers on this machine: git's own daemon, and http-backend behind Python's."""
from __future__ import annotations

import base64
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
        wait_for(port)
        yield f'git://{HOST}:{port}'
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection((HOST, port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError('the server does not answer')


class Faults:
    """What is wrong with a server; it may be changed while it runs."""

    password: str | None = None         # of ann, that is asked for
    longest_request = 1 << 60           # bytes; the connection ends then
    longest_answer = 1 << 60


def _basic(password: str) -> str:
    return 'Basic ' + base64.b64encode(f'ann:{password}'.encode()).decode()


class Backend(BaseHTTPRequestHandler):
    """CGI (RFC 3875) as far as git http-backend needs it."""

    protocol_version = 'HTTP/1.0'
    root: Path
    faults = Faults()

    def do_GET(self) -> None:
        if self._is_let_in():
            self._answer(b'')

    def do_POST(self) -> None:
        if not self._is_let_in():
            return
        body = self._body()
        if len(body) > self.faults.longest_request:
            self.connection.close()     # as a network that is cut
        else:
            self._answer(body)

    def _is_let_in(self) -> bool:
        given = self.headers.get('Authorization')
        if self.faults.password is None or given == _basic(self.faults.password):
            return True
        self.send_response(401)
        self.send_header('WWW-Authenticate', 'Basic realm="models"')
        self.end_headers()
        return False

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
        self.wfile.write(data[:self.faults.longest_answer])

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def http(folder: Path, faults: Faults | None = None) -> Iterator[str]:
    """The repositories below a folder, at http://; anybody may push."""
    handler = type('Handler', (Backend,), {
        'root': folder, 'faults': faults or Faults(),
    })
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


@contextmanager
def ssh(folder: Path) -> Iterator[str]:
    """The repositories below a folder, at ssh://: the other machine is this one.

    What stands for ssh passes on the environment that it is asked to, as ssh does.
    """
    script = folder / 'ssh'
    script.write_text(
        '#!/bin/sh\n'
        'sent=\n'
        'while test "$#" -gt 1; do\n'
        '    case $1 in\n'
        '    -o) test "$2" = SendEnv=GIT_PROTOCOL && sent=$GIT_PROTOCOL; shift 2;;\n'
        '    -p) shift 2;;\n'
        '    -G) exit 1;;\n'
        '    *) shift; break;;\n'
        '    esac\n'
        'done\n'
        'GIT_PROTOCOL=$sent exec sh -c "$1"\n',
    )
    script.chmod(0o755)
    os.environ.update(GIT_SSH=str(script), GIT_SSH_VARIANT='ssh')
    try:
        yield f'ssh://ann@there.example:2222{folder}'
    finally:
        del os.environ['GIT_SSH'], os.environ['GIT_SSH_VARIANT']
