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

from git_model_driver.core import words
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import from_digest
from git_model_driver.core.oid import hex_of
from git_model_driver.git import lfs
from git_model_driver.git import repository as repositories
from git_model_driver.git.progress import Progress
from git_model_driver.store import cores
from git_model_driver.store import memory
from git_model_driver.store.batch import Batch
from git_model_driver.store.batch import Item
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.disk import fsync
from git_model_driver.store.disk import write_all
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objects import Store
from git_model_driver.store.places import Places
from git_model_driver.store.recent import Recent
from git_model_driver.store.source import BytesSpan
from git_model_driver.store.source import FileSource
from git_model_driver.store.source import Span
from git_model_driver.transfer import workers
from git_model_driver.transfer.groups import groups
from git_model_driver.transfer.lfs.descriptions import Description
from git_model_driver.transfer.remotestore import source_of

_STEP = 1 << 30     # bytes that get their names together


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

            workers.each(send, lacking, cores.threads())
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

    def download(self, wanted: Mapping[Oid, Description], store: Store) -> bool:
        """Take over what is there; whether it is any. Raises CorruptObject, and what
        else was read by then is in the store all the same.
        """
        there = [oid for oid in wanted if self.path(oid).is_file()]
        total = sum(wanted[oid].nbytes for oid in there)
        memory.keep()
        with Progress('Copying tensors', total) as progress:
            for some in groups(there, lambda oid: wanted[oid].nbytes, _STEP):
                self._take({oid: wanted[oid] for oid in some}, store, progress)
        return bool(there)

    def _take(
        self, wanted: Mapping[Oid, Description], store: Store, progress: Progress,
    ) -> None:
        def read(batch: Batch, oid: Oid) -> None:
            self._read(oid, wanted[oid], batch, store.recent)
            progress.add(wanted[oid].nbytes)

        failure = workers.put_each(read, wanted, store, cores.threads())
        if failure is not None:
            raise failure

    def _read(
        self, oid: Oid, described: Description, batch: Batch, recent: Recent,
    ) -> None:
        path = self.path(oid)
        try:
            with open(path, 'rb', buffering=0) as file:
                source = FileSource(file.fileno(), str(path))
                _put(source, described, oid, batch, recent)
        except CorruptObject:
            raise CorruptObject(
                f"'{path}' holds other bytes than its name says",
                'see to it there with "git lfs fsck"', oid=oid,
            ) from None
        except OSError as e:
            raise GitModelError(
                f"cannot read '{path}': {e.strerror}",
                f'see to its permissions: ls -l {words.shell(str(path))}',
            ) from None


def _put(
    source: Span, described: Description, oid: Oid, batch: Batch, recent: Recent,
) -> None:
    """It is read once, if there is room for it; else piece by piece, twice."""
    item = Item(source, described.form, oid=oid)
    room = recent.reserve(source.length)
    if room is None:
        batch.put(item)
        return
    source.readinto(0, room)
    batch.put(item._replace(span=BytesSpan(room)))
    recent.add(oid, room)


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
