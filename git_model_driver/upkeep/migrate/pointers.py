"""Git LFS: its pointers, and where it keeps what they stand for (git-lfs/docs/spec.md).
"""
from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import CorruptObject
from git_model_driver.git import lfs
from git_model_driver.git.repository import Repository
from git_model_driver.store.places import Places

LARGEST = 1024
_VERSIONS = (
    b'version https://git-lfs.github.com/spec/v1',
    b'version https://hawser.github.com/spec/v1',
    b'version http://git-media.io/v/2',
)
_OID = re.compile(rb'^oid sha256:([0-9a-f]{64})\r?$', re.MULTILINE)
_SIZE = re.compile(rb'^size ([0-9]+)\r?$', re.MULTILINE)
_PIECE = 1 << 20


class Pointer(NamedTuple):
    """What a pointer says; ``is_plain`` unless programs of the user changed the bytes.
    """

    oid: str
    size: int
    is_plain: bool

    @property
    def text(self) -> bytes:
        return (
            f'version https://git-lfs.github.com/spec/v1\n'
            f'oid sha256:{self.oid}\nsize {self.size}\n'
        ).encode()


def parsed(data: bytes) -> Pointer | None:
    """None for what is no pointer."""
    if len(data) > LARGEST or not data.startswith(_VERSIONS):
        return None
    oid, size = _OID.search(data), _SIZE.search(data)
    if oid is None or size is None:
        return None
    return Pointer(oid[1].decode(), int(size[1]), b'\next-' not in data)


class Media:
    """The objects of Git LFS in a repository."""

    def __init__(self, repository: Repository) -> None:
        self.root = lfs.storage(repository.common_dir)

    def path(self, pointer: Pointer) -> Path:
        oid = pointer.oid
        return self.root / 'objects' / oid[:2] / oid[2:4] / oid

    def has(self, pointer: Pointer) -> bool:
        if not pointer.size:
            return True
        try:
            return self.path(pointer).stat().st_size == pointer.size
        except OSError:
            return False

    def missing(self, pointers: Iterable[Pointer]) -> list[Pointer]:
        """Those that cannot be had, not even from where Git LFS gets them."""
        absent = [p for p in pointers if not (p.is_plain and self.has(p))]
        for pointer in absent:
            if pointer.is_plain and not lfs.get(pointer.text):
                break       # the others would wait for the same server
        return [p for p in absent if not (p.is_plain and self.has(p))]

    def open(self, pointer: Pointer) -> int:
        """A descriptor of the object. Raises CorruptObject."""
        if not pointer.size:
            return os.open(os.devnull, os.O_RDONLY)
        fd = os.open(self.path(pointer), os.O_RDONLY)
        if _sha256(fd) != pointer.oid:
            os.close(fd)
            raise CorruptObject(
                f"the object {pointer.oid} of Git LFS is damaged",
                'mend it with "git lfs fsck" and "git lfs fetch --all"',
            )
        return fd

    def keep(self, file: Path) -> Pointer:
        """Take a file over, which is then gone, and point to it."""
        fd = os.open(file, os.O_RDONLY)
        try:
            pointer = Pointer(_sha256(fd), os.fstat(fd).st_size, True)
            os.fsync(fd)
        finally:
            os.close(fd)
        target = self.path(pointer)
        if self.has(pointer):
            file.unlink()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            file.chmod(Places(self.root).file_mode)
            os.replace(file, target)
        return pointer


def _sha256(fd: int) -> str:
    digest, at = hashlib.sha256(), 0
    while data := os.pread(fd, _PIECE, at):
        digest.update(data)
        at += len(data)
    return digest.hexdigest()
