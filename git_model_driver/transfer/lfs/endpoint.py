"""Where the LFS server of a remote is, as git-lfs finds it (its server-discovery.md).

``lfs.pushurl`` and ``lfs.url``, then ``remote.<name>.lfspushurl`` and ``.lfsurl``, in
Git's configuration or in .lfsconfig; else ``<address of the remote>.git/info/lfs``.
"""
from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import run
from git_model_driver.git import ssh
from git_model_driver.git.repository import Repository
from git_model_driver.git.ssh import Place

UPLOAD, DOWNLOAD = 'upload', 'download'
_KEYS = r'^(lfs\..*|remote\..*\.lfs(push)?url)$'
_SAFE = re.compile(r'lfs\.(push)?url|remote\..*\.lfsurl')     # of .lfsconfig
_WEB = ('http://', 'https://')
_NO_COMMAND = 127
_NOT_FOUND = re.compile(
    r'git-lfs-authenticate: (command )?not found|git-lfs-authenticate: no such file'
    r'|command not found: git-lfs-authenticate', re.IGNORECASE,
)


class Endpoint(NamedTuple):
    """``url`` of the API, or of a repository in a directory of this machine.

    ``ssh`` is where to ask for a token first, or for another address.
    """

    url: str
    ssh: Place | None = None

    @property
    def is_web(self) -> bool:
        return self.url.startswith(_WEB)


class Access(NamedTuple):
    """Where requests go, and headers for each of them; ``lifetime`` in seconds."""

    url: str
    headers: Mapping[str, str]
    lifetime: float | None = None


def settings(repository: Repository) -> dict[str, str]:
    """What Git's configuration says of LFS, and .lfsconfig where that does not."""
    found = {
        key: value for key, value in _lfsconfig(repository).items()
        if _SAFE.fullmatch(key)
    }
    for key, value in found.items():
        if not value.startswith(_WEB) and ssh.parse(value) is None:
            raise GitModelError(
                f"'.lfsconfig' wants tensors to go to '{value[:200]}'",
                'if that is meant, say it yourself: '
                f'git config {key} <address>',
            )
    return {**found, **_records(run.attempt('config', '-z', '--get-regexp', _KEYS).out)}


def _lfsconfig(repository: Repository) -> dict[str, str]:
    """Of the worktree, the index or HEAD: the first that there is."""
    file = repository.top and repository.top / '.lfsconfig'
    if file and file.is_file() and not file.is_symlink():
        places = [('--file', str(file))]
    else:
        places = [('--blob', ':.lfsconfig'), ('--blob', 'HEAD:.lfsconfig')]
    for place in places:
        listed = run.attempt('config', *place, '--no-includes', '-z', '--list')
        if listed.code == 0:
            return _records(listed.out)
    return {}


def _records(listed: bytes) -> dict[str, str]:
    pairs = (os.fsdecode(record).partition('\n') for record in listed.split(b'\0'))
    return {key: value for key, _, value in pairs if key}


def find(
    name: str, url: str, operation: str, said: Mapping[str, str],
) -> Endpoint:
    """That of a remote at ``url``, by what ``settings`` says. Raises GitModelError."""
    push = ['push', ''] if operation == UPLOAD else ['']
    keys = [f'lfs.{way}url' for way in push]
    keys += [f'remote.{name}.lfs{way}url' for way in push]
    told = next((said[key] for key in keys if said.get(key)), None)
    if told is not None:
        return _endpoint(run.text('ls-remote', '--get-url', told), '')
    return _endpoint(url, '.git/info/lfs', said.get('lfs.gitprotocol', 'https'))


def _endpoint(url: str, suffix: str, protocol: str = 'https') -> Endpoint:
    url = url.rstrip('/')
    if url.startswith('git://'):
        url = f'{protocol}{url.removeprefix("git")}'
    place = ssh.parse(url) if not url.startswith((*_WEB, 'file://')) else None
    if place is not None:
        url = f'https://{place.host}/{place.path.lstrip("/")}'
    if url.startswith(_WEB) and suffix:
        url += suffix.removeprefix('.git' if url.endswith('.git') else '')
    if '::' in url.split('/')[0] or ('://' in url and not (
        url.startswith((*_WEB, 'file://'))
    )):
        raise GitModelError(
            f"there is no way to an LFS server from '{url}'",
            'say where it is: git config lfs.url https://<host>/<path>',
        )
    return Endpoint(url, place)


def access(endpoint: Endpoint, operation: str) -> Access:
    """Ask the ssh host, if there is one. Raises GitModelError."""
    if endpoint.ssh is None:
        return Access(endpoint.url, {})
    path = endpoint.ssh.path
    result = ssh.command(endpoint.ssh, 'git-lfs-authenticate', path, operation)
    said = result.err.decode('utf-8', 'replace').strip()
    if result.code == _NO_COMMAND or (result.code and _NOT_FOUND.search(said)):
        return Access(endpoint.url, {})
    if result.code:
        raise GitModelError(
            f"'{endpoint.ssh.host}' gives no access to its LFS server: "
            f'{said or f"ssh ended with code {result.code}"}',
            'see whether you get in at all: git ls-remote',
        )
    try:
        return _access(json.loads(result.out), endpoint)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise GitModelError(
            f"'{endpoint.ssh.host}' answers git-lfs-authenticate with no JSON",
            'say where its LFS server is: git config lfs.url https://<host>/<path>',
        ) from None


def _access(answer: Mapping[str, object], endpoint: Endpoint) -> Access:
    header, href = answer.get('header') or {}, answer.get('href') or endpoint.url
    assert isinstance(header, Mapping)
    lifetime = answer.get('expires_in')
    return Access(
        str(href).rstrip('/'), {str(k): str(v) for k, v in header.items()},
        float(lifetime) if isinstance(lifetime, (int, float)) and lifetime else None,
    )
