"""A small Git LFS server that can be told to fail, beside git's own http-backend.

What it stores it verifies. ``faults`` has what is wrong with the next requests of a
kind (batch, put, verify, get), in their order; ``always`` with all of them:

    503, 429, …     this status         cut     half of the body, then nothing more
    flip, short     another body        kill    the server is gone, in the middle
    endless         a body too long     late    the token is too old
    (307, url)      elsewhere           html    not JSON
"""
from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections import Counter
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from typing import Union

from tests.testing.servers import HOST
from tests.testing.servers import Backend

Fault = Union[str, int, tuple[int, str]]
TYPE = 'application/vnd.git-lfs+json'


class Lfs:
    """The server's state, and what the tests ask of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = folder / 'lfs-objects'
        self.objects.mkdir()
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.always: dict[str, Fault] = {}
        self.counts: Counter[str] = Counter()
        self.questions: list[dict[str, Any]] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.password: str | None = None        # "name:password"
        self.lifetime: int | None = None
        self.most = 1000
        self.retry_after = '0'
        self.error: dict[str, Any] | None = None      # of every object
        self.base = ''          # of the addresses it gives, if another
        self.token = secrets.token_hex(8)
        self.port = 0
        self.gone = False
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f'http://{HOST}:{self.port}'

    def start(self) -> None:
        handler = type('Handler', (_Handler,), {'root': self.folder, 'lfs': self})
        self._server = ThreadingHTTPServer((HOST, self.port), handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self.gone = False
        threading.Thread(target=self._server.serve_forever, args=(0.01,),
                         daemon=True).start()

    def stop(self) -> None:
        self.gone = True
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def fault(self, kind: str) -> Fault | None:
        with self._lock:
            self.counts[kind] += 1
            if self.faults[kind]:
                return self.faults[kind].pop(0)
            return self.always.get(kind)

    def stored(self) -> set[str]:
        return {path.name for path in self.objects.iterdir() if len(path.name) == 64}


class _Handler(Backend):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True      # it answers in two writes
    lfs: Lfs

    def do_GET(self) -> None:
        self._route('get')

    def do_POST(self) -> None:
        self._route('verify' if self.path.endswith('/verify') else 'batch')

    def do_PUT(self) -> None:
        self._route('put')

    def _route(self, kind: str) -> None:
        if '/info/lfs/' not in self.path:
            self.protocol_version = 'HTTP/1.0'
            self.close_connection = True
            return self._answer(self._body() if self.command == 'POST' else b'')
        if self.lfs.gone:
            self.close_connection = True
            return
        self.lfs.seen.append((kind, {k.lower(): v for k, v in self.headers.items()}))
        self._fault = self.lfs.fault(kind)
        if self._is_let_in(kind):
            getattr(self, f'_{kind}')()

    def _is_let_in(self, kind: str) -> bool:
        said = self.headers.get('Authorization', '')
        if self._fault == 'late':
            self.lfs.token = secrets.token_hex(8)
        if isinstance(self._fault, int):
            return self._say(self._fault, {'message': f'told to say {self._fault}'})
        if isinstance(self._fault, tuple):
            return self._say(self._fault[0], {}, {'Location': self._fault[1]})
        if self._fault == 'html':
            return self._say(200, '<html>')
        if kind == 'batch' and self.lfs.password is not None:
            wanted = base64.b64encode(self.lfs.password.encode()).decode()
            if said not in (f'Basic {wanted}', f'RemoteAuth {self.lfs.token}'):
                return self._say(401, {'message': 'who are you?'},
                                 {'LFS-Authenticate': 'Basic realm="Git LFS"'})
        if kind != 'batch' and said != f'RemoteAuth {self.lfs.token}':
            return self._say(401, {'message': 'the token is too old'})
        return True

    def _say(
        self, code: int, answer: Any, headers: dict[str, str] | None = None,
    ) -> bool:
        """The client may still be sending: it is not read, nor asked again here."""
        if self.command == 'PUT':
            self.close_connection = True
            left = int(self.headers.get('Content-Length', 0))
            while left and (data := self.rfile.read(min(left, 1 << 16))):
                left -= len(data)
        elif self.command == 'POST' and not getattr(self, '_was_read', False):
            self._body()
        self._was_read = False
        data = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header('Content-Type', TYPE)
        self.send_header('Content-Length', str(len(data)))
        if code == 429:
            self.send_header('Retry-After', self.lfs.retry_after)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        return False

    def _batch(self) -> None:
        question = json.loads(self._body())
        self._was_read = True
        assert self.headers['Accept'].startswith(TYPE)
        assert self.headers['Content-Type'].startswith(TYPE)
        self.lfs.questions.append(question)
        if len(question['objects']) > self.lfs.most:
            self._say(413, {'message': 'too many objects'})
            return
        objects = [self._one(question['operation'], o) for o in question['objects']]
        self._say(200, {'transfer': 'basic', 'objects': objects})

    def _one(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        path = self.lfs.objects / asked['oid']
        answer: dict[str, Any] = {**asked, 'authenticated': True}
        if self.lfs.error is not None:
            return {**answer, 'error': self.lfs.error}
        there = path.is_file()
        if there and path.stat().st_size != asked['size']:
            return {**answer, 'error': {'code': 422, 'message': 'another size'}}
        if operation == 'download' and not there:
            return {**answer, 'error': {'code': 404, 'message': 'not there'}}
        if operation == 'download':
            return {**answer, 'actions': {'download': self._action(path.name)}}
        if there:
            return answer
        return {**answer, 'actions': {
            'upload': self._action(path.name), 'verify': self._action('verify'),
        }}

    def _action(self, name: str) -> dict[str, Any]:
        action: dict[str, Any] = {
            'href': f'{self.lfs.base or self.lfs.url}/x.git/info/lfs/{name}',
            'header': {'Authorization': f'RemoteAuth {self.lfs.token}'},
        }
        if self.lfs.lifetime is not None:
            action['expires_in'] = self.lfs.lifetime
        return action

    def _put(self) -> None:
        left = int(self.headers['Content-Length'])
        if self._fault in ('cut', 'kill'):
            self.rfile.read(left // 2)
            self._break()
            return
        digest, oid = hashlib.sha256(), self.path.rpartition('/')[2]
        temporary = self.lfs.objects / secrets.token_hex(8)
        with open(temporary, 'wb') as file:
            while left and (data := self.rfile.read(min(left, 1 << 20))):
                digest.update(data)
                file.write(data)
                left -= len(data)
        if left or digest.hexdigest() != oid:
            temporary.unlink()
            self.close_connection = True
            self._reply(422)
            return
        temporary.rename(self.lfs.objects / oid)
        self._reply(200)

    def _reply(self, code: int) -> None:
        self.send_response(code)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def _verify(self) -> None:
        asked = json.loads(self._body())
        self._was_read = True
        path = self.lfs.objects / asked['oid']
        there = path.is_file() and path.stat().st_size == asked['size']
        self._say(200 if there else 422, {'message': 'verified' if there else 'no'})

    def _get(self) -> None:
        data = (self.lfs.objects / self.path.rpartition('/')[2]).read_bytes()
        if self._fault == 'flip':
            data = data[:-1] + bytes([data[-1] ^ 1])
        elif self._fault == 'short':
            data = data[:-1]
        elif self._fault == 'endless':
            data += b'more'
        start, code = self._start(len(data))
        self.send_response(code)
        if code == 206:
            self.send_header('Content-Range',
                             f'bytes {start}-{len(data) - 1}/{len(data)}')
        body = data[start:]
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self._fault in ('cut', 'kill'):
            self.wfile.write(body[:len(body) // 2])
            self._break()
            return
        self.wfile.write(body)

    def _start(self, size: int) -> tuple[int, int]:
        said = self.headers.get('Range', '')
        if not said or self._fault == 'no range':
            return 0, 200
        return int(said.removeprefix('bytes=').rstrip('-')), 206

    def _break(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        if self._fault == 'kill':
            self.lfs.gone = True
            threading.Thread(target=self.lfs.stop).start()


@contextmanager
def lfs(folder: Path) -> Iterator[Lfs]:
    """Git and LFS for the repositories below a folder; anybody may push with git."""
    server = Lfs(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
