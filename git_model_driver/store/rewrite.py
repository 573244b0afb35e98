"""An object encoded anew in place of itself: the same bytes by another way."""
from __future__ import annotations

import os
from pathlib import Path

from git_model_driver.core.oid import Oid
from git_model_driver.store import freshness
from git_model_driver.store.digest import check_digest
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.disk import fsync
from git_model_driver.store.encoder import Encoder
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objectfile import OpenBase
from git_model_driver.store.objectwriter import pieces
from git_model_driver.store.objectwriter import write_object
from git_model_driver.store.places import Places
from git_model_driver.store.places import object_path


class ObjectSpan:
    """The raw bytes of an object, to be read in any order."""

    def __init__(self, file: ObjectFile) -> None:
        self._file = file
        self.length = file.nbytes

    def readinto(self, offset: int, into: memoryview) -> None:
        into[:] = self._file.read(offset, len(into))


class Attempt:
    """An encoding in a temporary file, to be kept or not."""

    def __init__(self, root: Path, oid: Oid, span: ObjectSpan, coder: Encoder) -> None:
        self._root = root
        self._oid = oid
        places = Places(root)
        with StoreErrors(root):
            places.folder(root / 'tmp')
            self.path = root / 'tmp' / f'{os.getpid()}-{os.urandom(8).hex()}'
            try:
                with open(self.path, 'xb', buffering=0) as file:
                    write_object(file.fileno(), span.length, pieces(span), coder)
                    os.fchmod(file.fileno(), places.file_mode)
            except BaseException:
                self.drop()
                raise
        self.base = coder.base
        self.stored = self.path.stat().st_size

    def drop(self) -> None:
        """Nothing, where it was kept."""
        self.path.unlink(missing_ok=True)

    def keep(self, open_here: OpenBase) -> None:
        """Put it in the object's place, when every byte was read again.

        Readers that have the other one open go on with that.
        """
        with ObjectFile(self.path, self._oid, open_here) as file:
            check_digest(file)
        final = object_path(self._root, self._oid)
        with StoreErrors(self._root):
            freshness.seal(self.path, self._oid)
            fsync(self.path)
            os.replace(self.path, final)
            fsync(final.parent)
