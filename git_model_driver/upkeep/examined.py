"""Which objects "git model gc" has looked at: their digests, one after another."""
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import digest_of
from git_model_driver.core.oid import from_digest
from git_model_driver.store.disk import StoreErrors

_NAME = 'examined'
_LENGTH = 32


def read(root: Path) -> set[Oid]:
    """Of a file that is damaged or missing: none."""
    try:
        data = (root / _NAME).read_bytes()
    except OSError:
        return set()
    whole = len(data) - len(data) % _LENGTH
    return {from_digest(data[i:i + _LENGTH]) for i in range(0, whole, _LENGTH)}


def write(root: Path, oids: Iterable[Oid]) -> None:
    with StoreErrors(root):
        temporary = root / 'tmp' / f'{os.getpid()}-{os.urandom(8).hex()}'
        temporary.parent.mkdir(exist_ok=True)
        temporary.write_bytes(b''.join(sorted(map(digest_of, oids))))
        os.replace(temporary, root / _NAME)
