"""User names and passwords, from where git has its own: credential helpers."""
from __future__ import annotations

import base64
from typing import NamedTuple

from git_model_driver.git import run


class Credential(NamedTuple):
    """What ``git credential fill`` said of an address, all of it."""

    said: bytes
    username: str
    password: str

    @property
    def basic(self) -> str:
        """The value of a header ``Authorization``."""
        pair = f'{self.username}:{self.password}'.encode()
        return f'Basic {base64.b64encode(pair).decode()}'


def fill(url: str) -> Credential:
    """Ask for those of an address. Raises GitError with git's own words."""
    said = run.output('credential', 'fill', input=_asked(url))
    lines = said.decode('utf-8', 'replace').splitlines()
    fields = dict(line.split('=', 1) for line in lines if '=' in line)
    return Credential(said, fields.get('username', ''), fields.get('password', ''))


def approve(credential: Credential) -> None:
    run.attempt('credential', 'approve', input=credential.said)


def reject(credential: Credential) -> None:
    run.attempt('credential', 'reject', input=credential.said)


def _asked(url: str) -> bytes:
    if '\n' in url or '\0' in url or '\r' in url:
        raise ValueError('an address of several lines')
    return f'url={url}\n\n'.encode()
