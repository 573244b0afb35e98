"""Connections that are kept and used again, as Git's settings want them made."""
from __future__ import annotations

import base64
import os
import ssl
import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from http.client import HTTPException
from http.client import HTTPResponse
from http.client import HTTPSConnection
from typing import NamedTuple
from typing import Protocol
from typing import Union
from urllib.parse import SplitResult
from urllib.parse import unquote
from urllib.parse import urlsplit

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import run
from git_model_driver.transfer.lfs.addresses import bare
from git_model_driver.transfer.lfs.addresses import origin
from git_model_driver.transfer.lfs.addresses import split
from git_model_driver.transfer.lfs.addresses import target

Body = Union[bytes, Callable[[], Iterable[memoryview]], None]
_BLOCK = 1 << 20


class Asked(Protocol):
    """What is to be sent."""

    @property
    def method(self) -> str: ...

    @property
    def url(self) -> str: ...

    @property
    def body(self) -> Body: ...


class _Settings(NamedTuple):
    """Of one place: how it is reached."""

    context: ssl.SSLContext | None
    proxy: SplitResult | None

    @property
    def proxy_headers(self) -> dict[str, str]:
        if self.proxy is None or self.proxy.username is None:
            return {}
        name, password = self.proxy.username, self.proxy.password or ''
        pair = f'{unquote(name)}:{unquote(password)}'
        token = base64.b64encode(pair.encode()).decode()
        return {'Proxy-Authorization': f'Basic {token}'}


class Connections:
    """Any number of threads may ask; each has a connection to itself meanwhile."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._idle: dict[str, list[HTTPConnection]] = {}
        self._settings: dict[str, _Settings] = {}

    def close(self) -> None:
        with self._lock:
            for idle in self._idle.values():
                while idle:
                    idle.pop().close()

    @contextmanager
    def request(
        self, asked: Asked, headers: Mapping[str, str],
    ) -> Iterator[HTTPResponse]:
        """Send, and give the answer. Raises OSError, HTTPException, ValueError."""
        place = origin(asked.url)
        settings = self._settings_of(asked.url)
        connection, response = self._sent(place, settings, asked, headers)
        try:
            yield response
        finally:
            if response.isclosed() and not response.will_close:
                with self._lock:
                    self._idle.setdefault(place, []).append(connection)
            else:
                response.close()
                connection.close()

    def _sent(
        self, place: str, settings: _Settings, asked: Asked, headers: Mapping[str, str],
    ) -> tuple[HTTPConnection, HTTPResponse]:
        with self._lock:
            idle = self._idle.get(place)
            connection = idle.pop() if idle else None
        if connection is not None:
            try:
                return connection, _send(connection, settings, asked, headers)
            except (OSError, HTTPException):    # it was closed while it was idle
                connection.close()
            except BaseException:
                connection.close()
                raise
        connection = _connection(asked.url, settings, self._timeout)
        try:
            return connection, _send(connection, settings, asked, headers)
        except BaseException:
            connection.close()
            raise

    def _settings_of(self, url: str) -> _Settings:
        place = origin(url)
        with self._lock:
            if place not in self._settings:
                self._settings[place] = _read_settings(url)
            return self._settings[place]


def _connection(url: str, settings: _Settings, timeout: float) -> HTTPConnection:
    parts, proxy = split(url), settings.proxy
    host, port = str(parts.hostname), parts.port
    at = (proxy.hostname, proxy.port or 80) if proxy else (host, port)
    if settings.context is None:
        return HTTPConnection(str(at[0]), at[1], timeout=timeout, blocksize=_BLOCK)
    connection = HTTPSConnection(
        str(at[0]), at[1], timeout=timeout, context=settings.context, blocksize=_BLOCK,
    )
    if proxy:
        connection.set_tunnel(host, port, settings.proxy_headers)
    return connection


def _send(
    connection: HTTPConnection, settings: _Settings, asked: Asked,
    headers: Mapping[str, str],
) -> HTTPResponse:
    where = target(asked.url)
    if settings.proxy and settings.context is None:
        where = bare(asked.url)
        headers = {**headers, **settings.proxy_headers}
    body = asked.body() if callable(asked.body) else asked.body
    chunked = any(
        name.lower() == 'transfer-encoding' and value.lower() == 'chunked'
        for name, value in headers.items()
    )
    try:
        connection.request(
            asked.method, where, body, dict(headers), encode_chunked=chunked,
        )
    except (BrokenPipeError, ConnectionResetError) as e:
        if connection.sock is None:     # nobody was there at all
            raise
        try:        # it may have said why it does not read on
            return connection.getresponse()
        except (OSError, HTTPException):
            raise e from None
    return connection.getresponse()


def _read_settings(url: str) -> _Settings:
    listed = run.attempt('config', '-z', '--get-urlmatch', 'http', bare(url)).out
    records = (os.fsdecode(r).partition('\n') for r in listed.split(b'\0') if r)
    said = {key.rpartition('.')[2].lower(): value for key, _, value in records}
    secure = split(url).scheme == 'https'
    return _Settings(_context(said) if secure else None, _proxy(url, said))


def _context(said: Mapping[str, str]) -> ssl.SSLContext:
    file = os.environ.get('GIT_SSL_CAINFO') or said.get('sslcainfo')
    folder = os.environ.get('GIT_SSL_CAPATH') or said.get('sslcapath')
    try:
        context = ssl.create_default_context(
            cafile=os.path.expanduser(file) if file else None,
            capath=os.path.expanduser(folder) if folder else None,
        )
        certificate = os.environ.get('GIT_SSL_CERT') or said.get('sslcert')
        if certificate:
            key = os.environ.get('GIT_SSL_KEY') or said.get('sslkey')
            context.load_cert_chain(certificate, key or None)
    except OSError as e:
        raise GitModelError(
            f'cannot read the certificates that are to be trusted: {e.strerror or e}',
            'see which they are with "git config --get-regexp ^http"',
        ) from None
    if 'GIT_SSL_NO_VERIFY' in os.environ or _is_false(said.get('sslverify', 'true')):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_false(value: str) -> bool:
    return value.lower() in ('false', 'no', 'off', '0', '')


def _proxy(url: str, said: Mapping[str, str]) -> SplitResult | None:
    """``http.proxy``, or what the environment says; an empty one is none."""
    proxy = said.get('proxy')
    if proxy is None:
        proxy = _proxy_of_environment(url)
    if not proxy:
        return None
    parts = urlsplit(proxy if '://' in proxy else f'http://{proxy}')
    if parts.scheme != 'http' or not parts.hostname:
        raise GitModelError(
            f"the proxy is '{parts.scheme}://{parts.hostname}', and only http:// is "
            'known here', 'choose another: git config http.proxy http://<host>:<port>',
        )
    return parts


def _proxy_of_environment(url: str) -> str | None:
    if not any(name.lower().endswith('_proxy') for name in os.environ):
        return None
    from urllib import request  # 30 ms

    proxies, parts = request.getproxies(), split(url)
    if request.proxy_bypass(f'{parts.hostname}:{parts.port or ""}'.rstrip(':')):
        return None
    return proxies.get(parts.scheme) or proxies.get('all')
