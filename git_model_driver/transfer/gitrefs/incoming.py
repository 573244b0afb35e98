"""What a Git remote gave, made objects of the store."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of
from git_model_driver.git.transport import Quarantine
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store
from git_model_driver.transfer.gitrefs.batches import Stored
from git_model_driver.transfer.sealing import Seal
from git_model_driver.transfer.sealing import object_
from git_model_driver.transfer.sealing import open_file

_DEEPEST = 64           # as in a store


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
    if len(above) > _DEEPEST:
        return False
    for stored in sorted(there.get(oid, ()), key=lambda each: each.base is not None):
        base = stored.base
        if base is None or (base not in (*above, oid) and (
            has(base) or _find(base, there, has, found, (*above, oid))
        )):
            found[oid] = stored
            return True
    return False


def unpack(
    quarantine: Quarantine, needed: Sequence[Stored], store: Store, seal: Seal,
) -> None:
    """What arrived becomes objects of the store, each read and compared."""
    blobs = quarantine.blobs(blob for stored in needed for blob in stored.blobs)
    paths: dict[Oid, Path] = {}

    def open_base(oid: Oid, depth: int) -> ObjectFile:
        if oid in paths:
            return ObjectFile(paths[oid], oid, open_base, depth)
        return store.open_here(oid, depth)

    with store.batch() as batch:
        for stored in needed:
            path = quarantine.folder / hex_of(stored.oid)
            with open(path, 'xb') as file:
                for _ in stored.blobs:
                    _, pieces = next(blobs)
                    for piece in pieces:
                        file.write(piece)
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
