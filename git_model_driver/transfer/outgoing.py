"""Objects made ready for another place: as they are there, or decoded."""
from __future__ import annotations

import os
from collections.abc import Collection
from collections.abc import Generator
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import Changed
from git_model_driver.core.oid import Oid
from git_model_driver.store.glance import glance
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store
from git_model_driver.transfer.remotestore import source_of


class Outgoing(NamedTuple):
    oid: Oid
    path: Path
    nbytes: int
    base: Oid | None
    sealed: os.stat_result | None = None    # of a file that is known to be whole

    def pieces(self) -> Generator[memoryview, None, None]:
        """What the file has, in one buffer that is used again. Raises CorruptObject
        before the end of what is damaged: nobody else gets all of that; Changed.
        """
        with ObjectFile(self.path, self.oid) as file:
            if (file.stored, file.header.base) != (self.nbytes, self.base):
                raise Changed(
                    f'the object {self.oid} was encoded anew while it was being sent',
                    'run the command again when "git model gc" has ended',
                )
            yield from file.pieces()


def as_it_is(oid: Oid, path: str, store: Store) -> Outgoing:
    """``path`` needs it. Raises GitModelError where it is not to be had."""
    own = store.path(oid)
    seen = glance(own, oid)
    if seen is not None:
        return Outgoing(oid, own, seen.status.st_size, seen.base, seen.status)
    source_of(oid, path, store)
    with store.open(oid) as file:
        return Outgoing(oid, file.path, file.stored, file.header.base)


def decoded(each: Outgoing, store: Store, scratch: Path) -> Outgoing:
    """Based on nothing; in the folder ``scratch``."""
    other = Store(scratch)
    with store.open(each.oid) as file, other.batch() as batch:
        batch.put_decoded(file)
    path = other.path(each.oid)
    status = path.stat()
    return Outgoing(each.oid, path, status.st_size, None, status)


def all_of(
    objects: Mapping[Oid, str], known: Collection[Oid], store: Store, scratch: Path,
) -> list[Outgoing]:
    """Each as it is, or decoded where the other side would lack its base."""
    found = [as_it_is(oid, path, store) for oid, path in objects.items()]
    return [
        each if each.base is None or each.base in known
        else decoded(each, store, scratch) for each in found
    ]


def bases_first(ready: Sequence[Outgoing]) -> Iterator[Outgoing]:
    waiting = {outgoing.oid: outgoing for outgoing in ready}
    for oid in list(waiting):
        chain = []
        next_: Oid | None = oid
        while next_ is not None and next_ in waiting:
            chain.append(waiting.pop(next_))
            next_ = chain[-1].base
        yield from reversed(chain)
