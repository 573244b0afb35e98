"""LFS objects of a repository in a directory, as git-lfs keeps them: no server at all.

    <git directory>/lfs/objects/ab/cd/abcd…

or below what lfs.storage of that repository says.
"""
from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import from_digest
from git_model_driver.core.oid import hex_of
from git_model_driver.git import lfs
from git_model_driver.git import repository as repositories
from git_model_driver.git.progress import Progress
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.disk import fsync
from git_model_driver.store.disk import write_all
from git_model_driver.store.incoming import incoming
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objects import Store
from git_model_driver.store.places import Places
from git_model_driver.transfer import workers
from git_model_driver.transfer.remotestore import source_of


class Standalone:
    """What is below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, oid: Oid) -> Path:
        digits = hex_of(oid)
        return self.root / 'objects' / digits[:2] / digits[2:4] / digits

    def lacking(self, oids: Collection[Oid]) -> set[Oid]:
        """Each is read."""
        return {oid for oid in oids if not self._is_whole(oid)}

    def _is_whole(self, oid: Oid) -> bool:
        digest = hashlib.sha256()
        try:
            for piece in _pieces(self.path(oid)):
                digest.update(piece)
        except OSError:
            return False
        return from_digest(digest.digest()) == oid

    def upload(
        self, sizes: Mapping[Oid, int], paths: Mapping[Oid, str], store: Store,
    ) -> int:
        lacking = [oid for oid, size in sizes.items() if not self._has(oid, size)]
        total = sum(sizes[oid] for oid in lacking)
        with Progress('Sending tensors', total) as progress:
            def send(oid: Oid) -> None:
                source_of(oid, paths[oid], store)
                self._write(oid, paths[oid], store, progress)

            workers.each(send, lacking)
        return len(lacking)

    def _has(self, oid: Oid, size: int) -> bool:
        try:
            return self.path(oid).stat().st_size == size
        except OSError:
            return False

    def _write(self, oid: Oid, path: str, store: Store, progress: Progress) -> None:
        """A file that has its name only when it is whole and on disk."""
        final, places = self.path(oid), Places(self.root)
        temporary = self.root / 'tmp' / f'{hex_of(oid)}-{os.urandom(8).hex()}'
        with StoreErrors(self.root):
            self.root.parent.stat()
            places.folder(temporary.parent)
            places.folder(final.parent)
            try:
                with store.open_raw(oid, path) as file, open(
                    temporary, 'xb', buffering=0,
                ) as out:
                    for chunk in file.chunks():
                        write_all(out.fileno(), chunk)
                        progress.add(len(chunk))
                    os.fchmod(out.fileno(), places.file_mode)
                fsync(temporary)
                os.replace(temporary, final)
                fsync(final.parent)
            finally:
                temporary.unlink(missing_ok=True)

    def download(self, sizes: Mapping[Oid, int], store: Store) -> bool:
        """Take over what is there; whether it is any. Raises CorruptObject."""
        there = [oid for oid in sizes if self.path(oid).is_file()]
        with Progress('Copying tensors', sum(sizes[oid] for oid in there)) as progress:
            for oid in there:
                self._read(oid, store, progress)
        return bool(there)

    def _read(self, oid: Oid, store: Store, progress: Progress) -> None:
        path = self.path(oid)
        with incoming(store.root, oid, path.stat().st_size) as file:
            file.restart()
            for piece in _pieces(path):
                file.write(piece)
                progress.add(len(piece))
            if not file.is_whole():
                file.restart()
                raise CorruptObject(
                    f"'{path}' holds other bytes than its name says",
                    'see to it there with "git lfs fsck"', oid=oid,
                )
            with store.batch() as batch:
                batch.put_incoming(file)
            file.remove()


def _pieces(path: Path) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(CHUNK))
    with open(path, 'rb', buffering=0) as file:
        while n := file.readinto(buffer):
            yield buffer[:n]


def find(url: str, base: Path) -> Standalone:
    """That of the repository at a path or at file://. Raises GitModelError."""
    git_dir = repositories.local_git_dir(url, base)
    if git_dir is None:
        raise GitModelError(
            f"'{url}' is no repository in a directory of this machine",
            'say where the LFS server is: git config lfs.url https://<host>/<path>',
        )
    return Standalone(lfs.storage(git_dir, '--file', str(git_dir / 'config')))
