"""Whether an object is what its name says."""
from __future__ import annotations

import hashlib

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.oid import from_digest
from git_model_driver.store.objectfile import ObjectFile


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
