"""The batch API of Git LFS (its docs/api/batch.md), as much of it as there is to us."""
from __future__ import annotations

import json
import time
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of
from git_model_driver.git import run
from git_model_driver.transfer.lfs import endpoint as endpoints
from git_model_driver.transfer.lfs.addresses import is_web
from git_model_driver.transfer.lfs.endpoint import Access
from git_model_driver.transfer.lfs.endpoint import Endpoint
from git_model_driver.transfer.lfs.web import Refused
from git_model_driver.transfer.lfs.web import Request
from git_model_driver.transfer.lfs.web import Web
from git_model_driver.transfer.lfs.web import refusal

MOST = 100              # objects in a request, as git-lfs has it
_TYPE = 'application/vnd.git-lfs+json'
_JSON = {'Accept': _TYPE, 'Content-Type': _TYPE}
_MARGIN = 5.0           # seconds that a request may take to begin


class Action(NamedTuple):
    """What to request; not after ``deadline``, in seconds of ``time.monotonic``."""

    href: str
    headers: Mapping[str, str]
    carries_token: bool
    deadline: float | None

    @property
    def is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline - _MARGIN


class Answer(NamedTuple):
    """About one object: what is to be done, or why nothing can be."""

    size: int
    actions: Mapping[str, Action]
    error: Refused | None = None


class Server:
    """An LFS server, asked for one kind of operation."""

    def __init__(self, endpoint: Endpoint, operation: str, web: Web) -> None:
        self.web = web
        self._endpoint = endpoint
        self._operation = operation
        self._access: Access | None = None
        self._renew_at = 0.0

    @property
    def shown(self) -> str:
        return Request('GET', self._endpoint.url, {}).shown

    def ask(self, sizes: Mapping[Oid, int]) -> dict[Oid, Answer]:
        """About any number of objects. Raises GitModelError."""
        found: dict[Oid, Answer] = {}
        for some in in_groups(sorted(sizes)):
            found.update(self._ask({oid: sizes[oid] for oid in some}))
        return found

    def _ask(self, sizes: Mapping[Oid, int]) -> dict[Oid, Answer]:
        try:
            answer = self._post('/objects/batch', self._question(sizes))
        except Refused as e:
            if e.code == 413 and len(sizes) > 1:        # too many at a time
                oids, half = list(sizes), len(sizes) // 2
                return {
                    oid: answer for part in (oids[:half], oids[half:])
                    for oid, answer in self._ask({o: sizes[o] for o in part}).items()
                }
            raise
        return self._parse(answer, sizes)

    def _question(self, sizes: Mapping[Oid, int]) -> dict[str, Any]:
        question: dict[str, Any] = {
            'operation': self._operation, 'transfers': ['basic'], 'hash_algo': 'sha256',
            'objects': [{'oid': hex_of(o), 'size': size} for o, size in sizes.items()],
        }
        branch = run.attempt('symbolic-ref', '--quiet', 'HEAD')
        if branch.code == 0:
            question['ref'] = {'name': branch.out.decode('utf-8', 'replace').strip()}
        return question

    def _post(self, path: str, question: Mapping[str, Any]) -> bytes:
        access = self._fresh_access()
        headers = {**access.headers, **_JSON}
        return self.web.read(Request(
            'POST', f'{access.url}{path}', headers, json.dumps(question).encode(),
            _names_us(access.headers),
        ))

    def _fresh_access(self) -> Access:
        now = time.monotonic()
        if self._access is None or now > self._renew_at:
            self._access = endpoints.access(self._endpoint, self._operation)
            lifetime = self._access.lifetime
            self._renew_at = now + (float('inf') if lifetime is None else lifetime)
            self._renew_at -= _MARGIN
        return self._access

    def _parse(self, data: bytes, sizes: Mapping[Oid, int]) -> dict[Oid, Answer]:
        """Raises GitModelError for what is no answer to our question."""
        try:
            answer = json.loads(data)
            if answer.get('transfer', 'basic') != 'basic':
                raise ValueError('a transfer that we did not offer')
            if answer.get('hash_algo', 'sha256') != 'sha256':
                raise ValueError('names that are no SHA-256')
            found = {
                Oid(f'sha256:{item["oid"]}'): self._answer(item)
                for item in answer['objects']
            }
        except (
            ValueError, KeyError, TypeError, AttributeError, RecursionError,
            OverflowError,
        ) as e:
            raise GitModelError(
                f"'{self.shown}' does not answer as an LFS server does: {e!r:.80}",
                'say where the LFS server is: git config lfs.url <address>',
            ) from None
        silent = Answer(0, {}, refusal(404, f"'{self.shown}'", 'it says nothing'))
        return {oid: found.get(oid, silent) for oid in sizes}

    def _answer(self, item: Mapping[str, Any]) -> Answer:
        error, size = item.get('error'), max(0, int(item.get('size') or 0))
        if error:
            said = str(error.get('message', ''))[:300]
            code = int(error.get('code') or 0)
            return Answer(size, {}, refusal(code, f"'{self.shown}'", said))
        authenticated = item.get('authenticated') is True
        actions = item.get('actions') or {}
        return Answer(size, {
            str(name): _action(action, authenticated)
            for name, action in actions.items() if action
        })

    def verify(self, action: Action, oid: Oid, size: int) -> None:
        """Tell the server that an object has been sent. Raises GitModelError."""
        body = json.dumps({'oid': hex_of(oid), 'size': size}).encode()
        self.web.read(Request(
            'POST', action.href, {**action.headers, **_JSON}, body,
            action.carries_token,
        ))


def _action(said: Mapping[str, Any], authenticated: bool) -> Action:
    href = said['href']
    if not isinstance(href, str) or not is_web(href):
        raise ValueError('an address that is none of the web')
    headers = {str(k): str(v) for k, v in (said.get('header') or {}).items()}
    return Action(
        href, headers, authenticated or _names_us(headers), _deadline(said),
    )


def _names_us(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == 'authorization' for name in headers)


def _deadline(said: Mapping[str, Any]) -> float | None:
    now = time.monotonic()
    if said.get('expires_in'):
        return now + float(said['expires_in'])
    if said.get('expires_at'):
        # Python 3.10 knows no Z, nor a fraction of any length.
        text = str(said['expires_at']).upper().replace('Z', '+00:00')
        when = datetime.fromisoformat(text)
        # Some servers have the year 1 for "never".
        return now + when.timestamp() - time.time() if when.year > 1 else None
    return None


def in_groups(oids: Iterable[Oid], most: int = MOST) -> Iterator[Sequence[Oid]]:
    """So many at a time."""
    waiting = list(oids)
    for i in range(0, len(waiting), most):
        yield waiting[i:i + most]
