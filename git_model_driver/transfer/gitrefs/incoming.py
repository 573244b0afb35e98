"""What a Git remote gave, made objects of the store."""
from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of
from git_model_driver.git.objects import Objects
from git_model_driver.git.packstream import PackStream
from git_model_driver.git.progress import Progress
from git_model_driver.store.disk import write_all
from git_model_driver.store.objectfile import DEEPEST
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store
from git_model_driver.transfer.gitrefs.batches import Stored
from git_model_driver.transfer.gitrefs.batches import part_sizes
from git_model_driver.transfer.sealing import open_file
from git_model_driver.transfer.seals import Seal
from git_model_driver.transfer.seals import object_

_PIECE = 1 << 20


There = Mapping[Oid, Sequence[Stored]]


def with_bases(
    oids: Iterable[Oid], there: There, has: Callable[[Oid], bool],
) -> list[Stored]:
    """What is to be had of these and of what they are based on, bases first.

    People who push at once may send one object each in terms of the other: of the
    ways that an object was sent one is taken that leads to an end.
    """
    found: dict[Oid, Stored] = {}
    for oid in oids:
        if not has(oid):
            _find(oid, there, has, found, ())
    return list(found.values())


def _find(
    oid: Oid, there: There, has: Callable[[Oid], bool], found: dict[Oid, Stored],
    above: tuple[Oid, ...],
) -> bool:
    """Add an object and its bases to those found; False where that cannot be."""
    if oid in found:
        return True
    if len(above) > DEEPEST:
        return False
    for stored in sorted(there.get(oid, ()), key=lambda each: each.base is not None):
        base = stored.base
        if base is None or (base not in (*above, oid) and (
            has(base) or _find(base, there, has, found, (*above, oid))
        )):
            found[oid] = stored
            return True
    return False


class Arrivals:
    """Blobs in files of a folder, by the names that Git has for them."""

    def __init__(
        self, folder: Path, wanted: Iterable[Stored], algorithm: str,
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._algorithm = algorithm
        self._progress = progress
        self._wanted: dict[str, None] = {}
        self._by_size: dict[int, set[str]] = {}
        for stored in wanted:
            for name, size in zip(stored.blobs, part_sizes(stored.nbytes)):
                self._by_size.setdefault(size, set()).add(name)
            self._wanted.update(dict.fromkeys(stored.blobs))

    def take(self, pack: PackStream) -> None:
        for blob in pack.blobs():
            known = self._by_size.get(blob.nbytes, ())
            # Told by its size where that is no other's: hashing costs as much as all
            # else. What is in it is compared with a SHA-256 later.
            self._add(next(iter(known)) if len(known) == 1 else None, blob.pieces)

    def add_missing(self, objects: Objects) -> None:
        """What git itself can reach. Raises GitError where that is not all."""
        for name in self._wanted:
            if not (self._folder / name).exists():
                self._add(name, objects.pieces(name))

    def _add(self, name: str | None, pieces: Iterable[bytes]) -> None:
        arriving = self._folder / 'arriving'
        with open(arriving, 'wb', buffering=0) as file:
            for piece in pieces:
                write_all(file.fileno(), piece)
                self._progress.add(len(piece))
        arriving.rename(self._folder / (name or _hashed(arriving, self._algorithm)))

    def assemble(self, stored: Stored) -> Path:
        """The file of an object, of its parts. Raises GitError where one is missing."""
        path = self._folder / hex_of(stored.oid)
        try:
            (self._folder / stored.blobs[0]).rename(path)
            with open(path, 'ab') as file:
                for name in stored.blobs[1:]:
                    with open(self._folder / name, 'rb') as part:
                        shutil.copyfileobj(part, file, _PIECE)
                    (self._folder / name).unlink()
        except FileNotFoundError:
            raise GitError(f'the object {stored.oid} did not arrive') from None
        return path


def _hashed(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, b'blob %d\0' % path.stat().st_size)
    with open(path, 'rb') as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def unpack(
    arrivals: Arrivals, needed: Sequence[Stored], store: Store, seal: Seal,
) -> None:
    """What arrived becomes objects of the store, each read and compared."""
    paths: dict[Oid, Path] = {}

    def open_base(oid: Oid, depth: int) -> ObjectFile:
        if oid in paths:
            return ObjectFile(paths[oid], oid, open_base, depth)
        return store.open_here(oid, depth)

    with store.batch() as batch:
        for stored in needed:
            path = arrivals.assemble(stored)
            if seal.id:
                path = _opened(path, stored.oid, seal)
            paths[stored.oid] = path
            with ObjectFile(path, stored.oid, open_base) as received:
                if received.header.base != stored.base:
                    raise CorruptObject(
                        f'the object {stored.oid} is not what the remote says',
                        'see what it has with "git model fetch"', oid=stored.oid,
                    )
                path.chmod(0o444)
                batch.take_over(received, paths.keys())


def _opened(sealed: Path, oid: Oid, seal: Seal) -> Path:
    path = sealed.with_suffix('.opened')
    try:
        open_file(seal, sealed, path, object_(oid))
    except CorruptObject:
        raise CorruptObject(
            f'the object {oid} on the remote is damaged, or was exchanged',
            'see what it has with "git model fetch"', oid=oid,
        ) from None
    sealed.unlink()
    return path
