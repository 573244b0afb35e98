"""The key of a remote's tensors: ``remote.<name>.modelKey``.

A file with 64 hexadecimal digits that nobody else can read, or ``env:NAME``, an
environment variable with them. Never from a file that Git keeps: whoever can write that
could choose the key.
"""
from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import run
from git_model_driver.transfer.seals import Seal

_ENVIRONMENT = 'env:'
_DIGITS = re.compile(rb'[0-9a-fA-F]{64}')
_MAKE = '(umask 077; openssl rand -hex 32 > {})'


def setting(remote: str) -> str:
    """What ``remote.<name>.modelKey`` is."""
    return f'remote.{remote}.modelKey'


def seal_of(remote: str, value: str) -> Seal:
    """By what the setting says. Raises GitModelError where the key cannot be had."""
    from git_model_driver.transfer.sealing import Sealed

    _need_library(remote)
    if value.startswith(_ENVIRONMENT):
        data = _from_environment(value.removeprefix(_ENVIRONMENT), remote)
    else:
        data = _from_file(remote)
    digits = data.strip()
    if not _DIGITS.fullmatch(digits):
        raise GitModelError(
            f"'{value}', which {setting(remote)} names, holds no key: a key is 64 "
            'hexadecimal digits', 'make one with: ' + _MAKE.format('<file>'),
        )
    return Sealed(bytes.fromhex(digits.decode()), (
        f'{setting(remote)} must name the key that the tensors there were sent with'
    ))


def _need_library(remote: str) -> None:
    try:
        import cryptography as cryptography
    except ImportError:
        raise GitModelError(
            f"{setting(remote)} is set, and 'cryptography' is not installed",
            'get it with: pip install "git-model-driver[encryption]"',
        ) from None


def _from_environment(name: str, remote: str) -> bytes:
    value = os.environ.get(name)
    if value is None:
        raise GitModelError(
            f"the environment has no '{name}', which {setting(remote)} names",
            f'export {name} with the 64 hexadecimal digits of the key',
        )
    return os.fsencode(value)


def _from_file(remote: str) -> bytes:
    # Git knows what ~ is.
    found = run.text('config', '--type=path', '--get', setting(remote))
    path = Path(found)
    if not path.is_absolute():
        raise GitModelError(
            f"'{found}', which {setting(remote)} names, is not a whole path",
            f'git config {setting(remote)} "$(realpath <file>)", outside the worktree',
        )
    try:
        data = path.read_bytes()[:1024]
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as e:
        raise GitModelError(
            f"cannot read the key '{path}': {e.strerror}",
            'bring it here from where the tensors were first sent; for a new remote: '
            + _MAKE.format(path),
        ) from None
    if os.name == 'posix' and mode & 0o077:
        raise GitModelError(
            f"others may read the key '{path}' (its mode is {mode:04o})",
            f"chmod 600 '{path}'",
        )
    return data
