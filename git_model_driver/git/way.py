"""Which program connects us with a remote's ``git upload-pack``, as git would."""
from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import run
from git_model_driver.git import ssh
from git_model_driver.git.remoteconfig import RemoteConfig
from git_model_driver.git.repository import is_far
from git_model_driver.git.repository import local_git_dir
from git_model_driver.git.ssh import Place

_HTTP = ('http', 'https')
_OLD_PROTOCOLS = ('0', '1')


class Unsupported(Exception):
    """Not to be had this way; git itself may know how."""


class Program(NamedTuple):
    """What to run; ``service`` is what to ask it for, if it is a remote helper."""

    command: tuple[str, ...]
    service: bytes = b''

    def environment(self) -> dict[str, str]:
        """What is said of our repository means nothing in another."""
        kept = dict(os.environ)
        if not self.service:
            for name in run.text('rev-parse', '--local-env-vars').split('\n'):
                kept.pop(name, None)
        return {**kept, 'GIT_PROTOCOL': 'version=2'}


class Way:
    """To a remote, or to an address itself."""

    def __init__(self, url: str, base: Path, config: RemoteConfig) -> None:
        """``base`` is where a relative address starts."""
        self.url = url
        self._base = base
        self._config = config

    def program(self) -> Program:
        """Raises Unsupported."""
        if self._config.get('protocol.version') in _OLD_PROTOCOLS:
            raise Unsupported
        scheme, colon, _ = self._address.partition('://')
        if colon and scheme in _HTTP:
            self._check_allowed(scheme)
            helper = ('git', f'remote-{scheme}', self.url, self._address)
            return Program(helper, b'git-upload-pack')
        if place := ssh.parse(self._address):
            self._check_allowed('ssh')
            return Program(_over_ssh(place, self._address))
        return Program(('git', 'upload-pack', self._path()))

    def near(self) -> Path | None:
        """The objects of a repository of this machine: they need no server."""
        try:
            git_dir = local_git_dir(self._path(), self._base)
        except Unsupported:
            return None
        return git_dir / 'objects' if git_dir else None

    @cached_property
    def _address(self) -> str:
        if any(self._config.get(f'remote.{self.url}.{word}')
               for word in ('uploadpack', 'vcs')):
            raise Unsupported
        return self._config.address(self.url)

    def _path(self) -> str:
        """Where on this machine that is: an absolute path. Raises Unsupported."""
        self._check_allowed('file')
        scheme, colon, rest = self._address.partition('://')
        if colon and scheme == 'file':
            return os.path.join(self._base, unquote(rest))
        path = os.path.join(self._base, self._address)
        if colon or is_far(self._address) or '::' in self._address or (
            not os.path.isdir(path)
        ):
            raise Unsupported
        return path

    def _check_allowed(self, scheme: str) -> None:
        """Whoever forbids protocols is left to git, which knows all the ways to."""
        allowed = os.environ.get('GIT_ALLOW_PROTOCOL')
        if allowed is not None and scheme in allowed.split(':'):
            return
        said = map(self._config.get, (f'protocol.{scheme}.allow', 'protocol.allow'))
        if allowed is not None or any(said) or 'GIT_PROTOCOL_FROM_USER' in os.environ:
            raise Unsupported


def _over_ssh(place: Place, address: str) -> tuple[str, ...]:
    path = place.path[1:] if place.path.startswith('/~') else place.path
    if '%' in address or not path or path.startswith('-'):
        raise Unsupported       # git knows what is meant
    # Always in quotes: git-shell, and what hosts run, ask for them.
    quoted = "'" + path.replace("'", "'\\''").replace('!', "'\\!'") + "'"
    try:
        return ssh.line(place, f'git-upload-pack {quoted}', tells_version=True)
    except GitModelError:
        raise Unsupported from None
