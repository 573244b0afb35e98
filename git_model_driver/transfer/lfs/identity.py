"""Who we say we are: to each server what Git has for it, and to no other."""
from __future__ import annotations

import threading
from collections.abc import Iterable
from collections.abc import Mapping
from urllib.parse import unquote

from git_model_driver.core.errors import GitError
from git_model_driver.git import credentials
from git_model_driver.git import run
from git_model_driver.git.credentials import Credential
from git_model_driver.transfer.lfs.addresses import bare
from git_model_driver.transfer.lfs.addresses import is_web
from git_model_driver.transfer.lfs.addresses import origin
from git_model_driver.transfer.lfs.addresses import split

_AGENT = 'git-model'
_HINT = (
    'have Git know them: git config --global credential.helper <helper>, '
    'see "git help credentials"'
)


class Identity:
    """Names and passwords by scheme, host and port; any number of threads may ask."""

    def __init__(self, homes: Iterable[str] = ()) -> None:
        """``homes`` are the addresses that Git itself has of the place."""
        self._lock = threading.Lock()
        self._homes = [url for url in homes if is_web(url)]
        self._known = {
            origin(url): own for url in self._homes if (own := credential_in(url))
        }
        self._approved = set(self._known)
        self._wrong: dict[str, str] = {}
        self._extra: dict[str, dict[str, str]] = {}

    def headers(
        self, url: str, given: Mapping[str, str], as_known: bool,
    ) -> dict[str, str]:
        """With http.extraHeader, and who we are where that is known and wanted, unless
        ``given`` says it already.
        """
        headers = {'User-Agent': _AGENT, **self._extra_headers(url)}
        with self._lock:
            known = self._known.get(origin(url)) if as_known else None
        if known is not None:
            headers = _without(headers, 'authorization')
            headers['Authorization'] = known.basic
        for name in given:
            headers = _without(headers, name)
        return {**headers, **given}

    def _extra_headers(self, url: str) -> dict[str, str]:
        place = origin(url)
        with self._lock:
            if place not in self._extra:
                found = run.attempt(
                    'config', '--get-urlmatch', 'http.extraHeader', bare(url),
                )
                line = found.out.decode('utf-8', 'replace').strip()
                name, _, value = line.partition(':')
                self._extra[place] = {name.strip(): value.strip()} if value else {}
            return self._extra[place]

    def ask(self, url: str, sent: Mapping[str, str], shown: str) -> None:
        """After an answer of 401: get a name and password. Raises GitError."""
        place = origin(url)
        with self._lock:
            known = self._known.get(place)
            if known is not None and known.basic != sent.get('Authorization'):
                return      # another thread has asked meanwhile
            if known is not None:
                if self._known.pop(place).said:
                    credentials.reject(known)
                self._wrong[place] = known.username
            if place in self._wrong:
                raise GitError(
                    f"'{shown}' does not accept the password of "
                    f"'{self._wrong[place]}'", _HINT,
                )
            try:
                self._known[place] = credentials.fill(self._asked(url))
            except GitError as e:
                raise GitError(
                    f"'{shown}' wants a user name and a password: {e.message}", _HINT,
                ) from None

    def _asked(self, url: str) -> str:
        """What Git would ask for, so that it is asked once: with the name that may be
        in it, without a password.
        """
        same = (home for home in self._homes if origin(home) == origin(url))
        url = next(same, url)
        name = split(url).username
        return bare(url).replace('://', f'://{name}@', 1) if name else bare(url)

    def confirm(self, url: str, status: int) -> None:
        """What was accepted a helper may keep."""
        place = origin(url)
        with self._lock:
            known = self._known.get(place)
            if known is None or status == 401 or place in self._approved:
                return
            self._approved.add(place)
            credentials.approve(known)


def credential_in(url: str) -> Credential | None:
    """``https://name:password@host/…``."""
    parts = split(url)
    if parts.username is None or parts.password is None:
        return None
    return Credential(b'', unquote(parts.username), unquote(parts.password))


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k.lower() != name.lower()}
