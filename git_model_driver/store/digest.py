"""The oid of bytes that are read in pieces, and whether an object has the right one."""
from __future__ import annotations

import hashlib

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import from_digest
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objectwriter import pieces
from git_model_driver.store.source import Span


def check_digest(file: ObjectFile) -> None:
    """Read an object and compare its SHA-256 with its name. Raises CorruptObject."""
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    if from_digest(digest.digest()) != file.oid:
        raise CorruptObject(
            f'the object {file.oid} in the store holds other bytes than its name says',
            'see what is affected with "git model fsck", '
            'mend it with "git model fsck --repair"', oid=file.oid,
        )


def oid_of(span: Span) -> Oid:
    """What the bytes of a span would be called. Nothing is stored."""
    digest = hashlib.sha256()
    for piece in pieces(span):
        digest.update(piece)
    return from_digest(digest.digest())
