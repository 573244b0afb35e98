"""Requests to a server that may be slow, busy, gone, or up to no good.

Only http(s), also where a server sends us elsewhere; what says who we are goes to
nobody but whom it is for.
"""
from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from http.client import HTTPException
from http.client import HTTPResponse
from typing import NamedTuple
from urllib.parse import urljoin

from git_model_driver.core.errors import GitModelError
from git_model_driver.transfer.lfs.addresses import origin
from git_model_driver.transfer.lfs.addresses import split
from git_model_driver.transfer.lfs.connections import Body
from git_model_driver.transfer.lfs.connections import Connections
from git_model_driver.transfer.lfs.identity import Identity

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_BUSY = (429, 500, 502, 503, 504)
_FIRST_DELAY, _LONGEST_WAIT = 0.25, 90.0     # seconds
_LARGEST_ANSWER, _LARGEST_EXCUSE = 64 << 20, 64 << 10
_PUBLIC = ('accept', 'content-type', 'content-length', 'range')


class Refused(GitModelError):
    """The server answered with an error; ``code`` as in HTTP."""

    def __init__(self, message: str, *hint: str, code: int) -> None:
        super().__init__(message, *hint)
        self.code = code


class Request(NamedTuple):
    """``body`` can be given again. ``carries_token``: it says who we are, in its
    address or its headers; an answer of 401 means that this is too old.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Body = None
    carries_token: bool = False

    @property
    def shown(self) -> str:
        """The address without what might be secret in it."""
        url = split(self.url)
        return f'{url.scheme}://{url.hostname}{f":{url.port}" if url.port else ""}'


class Web:
    """Any number of threads may ask."""

    def __init__(
        self, homes: Iterable[str] = (), retries: int = 5, longest: float = 10.0,
        timeout: float = 30.0,
    ) -> None:
        """``homes`` are the addresses that Git has of the place; ``longest`` seconds
        are between tries, ``timeout`` may pass without a byte.
        """
        self._connections = Connections(timeout)
        self._identity = Identity(homes)
        self._retries = retries
        self._longest = longest

    def close(self) -> None:
        self._connections.close()

    def read(self, request: Request) -> bytes:
        """The whole (small) answer."""
        def whole(response: HTTPResponse) -> bytes:
            data = response.read(_LARGEST_ANSWER + 1)
            if len(data) > _LARGEST_ANSWER:
                raise HTTPException('an answer that is too long')
            return data

        return self.ask(lambda: request, whole)

    def ask(
        self, request_of: Callable[[], Request], take: Callable[[HTTPResponse], bytes],
    ) -> bytes:
        """Hand the answer to ``take``, again after each failure that may pass.

        Raises GitModelError: Refused where the server answers, but not with success.
        """
        for attempt in range(self._retries + 1):
            request = request_of()
            try:
                with self._answer(request) as response:
                    if response.status < 300:
                        return take(response)
                    refusal = _refusal(request, response)
                    wait = _told_to_wait(response)
                if refusal.code not in _BUSY or attempt == self._retries:
                    raise refusal
            except (OSError, HTTPException, ValueError) as e:
                failure = _failure(request, e)
                if isinstance(e, ValueError) or attempt == self._retries:
                    raise failure from None
                wait = None
            self._wait(attempt, wait, request)
        raise AssertionError('not reached')

    def _wait(self, attempt: int, told: float | None, request: Request) -> None:
        if told is not None and told > _LONGEST_WAIT:
            raise Refused(
                f"'{request.shown}' is not to be asked again for {told:.0f} seconds",
                'run the command again then: what was sent is not sent again', code=429,
            )
        delay = min(self._longest, _FIRST_DELAY * 2 ** attempt)
        time.sleep(delay if told is None else told)

    @contextmanager
    def _answer(self, request: Request) -> Iterator[HTTPResponse]:
        """The last one: after redirects, and after having said who we are."""
        sent, asked = request, 0
        for _ in range(_MOST_REDIRECTS + 1):
            headers = self._identity.headers(
                sent.url, sent.headers, not sent.carries_token,
            )
            with self._connections.request(sent, headers) as response:
                if response.status == 401 and not sent.carries_token and asked < 2:
                    asked += 1
                    response.read(_LARGEST_EXCUSE)
                    self._identity.ask(sent.url, headers, request.shown)
                    continue
                if response.status not in _REDIRECTS:
                    self._identity.confirm(sent.url, response.status)
                    yield response
                    return
                response.read(_LARGEST_EXCUSE)
                sent = _redirected(sent, response)
        raise Refused(
            f"'{request.shown}' sends us from one place to the next",
            'say where the LFS server is: git config lfs.url <address>', code=310,
        )


def _redirected(request: Request, response: HTTPResponse) -> Request:
    """The same request elsewhere. Nothing secret goes to another place than it was
    meant for, nor over a connection that others can read where this one is not.
    """
    url = urljoin(request.url, response.headers.get('Location', ''))
    if split(request.url).scheme == 'https' and split(url).scheme != 'https':
        raise Refused(
            f"'{request.shown}' sends us to a place that is not https: '{url[:80]}'",
            'say where the LFS server is: git config lfs.url <address>', code=310,
        )
    if origin(url) == origin(request.url):
        return request._replace(url=url)
    public = {k: v for k, v in request.headers.items() if k.lower() in _PUBLIC}
    return request._replace(url=url, headers=public, carries_token=True)


def _refusal(request: Request, response: HTTPResponse) -> Refused:
    import json

    said = response.reason
    data = response.read(_LARGEST_EXCUSE)
    try:
        said = json.loads(data)['message']
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return refusal(response.status, f"'{request.shown}'", str(said)[:300])


def refusal(code: int, who: str, said: str) -> Refused:
    """What a code of HTTP means, and what can be done."""
    return Refused(f'{who} refuses: {said} ({code})', _HINTS.get(
        code, 'try again later; where it is looked for: git config --get-regexp lfs',
    ), code=code)


_HINTS = {
    401: 'give the right name and password: they come from "git credential fill"',
    403: 'you may read, but not write there; ask who keeps it, or choose another '
         'place: git config remote.<name>.lfsurl <address>',
    404: 'the repository or the tensor is not there, or not for you; see where it is '
         'looked for with "git config --get-regexp lfs"',
    410: 'its owner removed the tensor; another clone may have it: '
         'git model fetch <repository>',
    413: 'it takes nothing that large; choose another place: '
         'git config remote.<name>.lfsurl <address>',
    422: 'it takes the tensor for something else; see whether the store is well '
         'with "git model fsck"',
    429: 'you have asked too often; run the command again later: what was sent is '
         'not sent again',
    507: 'it has no space left; choose another place: '
         'git config remote.<name>.lfsurl <address>',
    509: 'your bandwidth there is used up; run the command again later: what was '
         'sent is not sent again',
}


def _told_to_wait(response: HTTPResponse) -> float | None:
    """Retry-After: seconds, or a date."""
    said = response.headers.get('Retry-After', '').strip()
    if said.isascii() and said.isdecimal() and len(said) < 10:
        return float(said)
    if not said:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _failure(request: Request, error: Exception) -> GitModelError:
    """What the system or the library says, for people."""
    if isinstance(error, OSError):
        said = error.strerror or str(error) or type(error).__name__
    else:
        said = f'{type(error).__name__} {error}'.strip()
    return GitModelError(
        f"cannot reach '{request.shown}': {said}",
        'see to the connection, then run the command again: what was sent is not sent '
        'again',
        'where it is looked for: git config --get-regexp lfs',
    )


