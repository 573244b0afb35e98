"""Objects on their way to a depot: bases before what is based on them."""
from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Generator
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from git_model_driver.core.oid import Oid
from git_model_driver.git.progress import Progress
from git_model_driver.store.chains import DEEPEST
from git_model_driver.store.objects import Store
from git_model_driver.transfer import workers
from git_model_driver.transfer.depot.shelves import Shelves
from git_model_driver.transfer.gitrefs.outgoing import Outgoing
from git_model_driver.transfer.gitrefs.outgoing import outgoing
from git_model_driver.transfer.sealing import object_

_PIECE = 1 << 20


def ready(
    oids: Sequence[Oid], store: Store, shelves: Shelves, scratch: Path,
) -> list[list[Outgoing]]:
    """What is to be sent, by levels: none is based on one of its own or a later one.

    An object is sent as it is where its base is on the other side or among these, and
    is not itself based on too many.
    """
    bases = {oid: _base(oid, store) for oid in oids}
    elsewhere = sorted({b for b in bases.values() if b is not None} - bases.keys())
    workers.each(shelves.depth, elsewhere)      # it remembers
    depths = _Depths(bases, shelves.depth)
    levels: dict[int, list[Outgoing]] = {}
    for oid in oids:
        known = set() if depths.of(oid) == 0 else {*filter(None, [bases[oid]])}
        made = outgoing(oid, store, known, scratch)
        levels.setdefault(depths.of(oid), []).append(made)
    return [levels[depth] for depth in sorted(levels)]


def _base(oid: Oid, store: Store) -> Oid | None:
    with store.open(oid) as file:
        return file.header.base


class _Depths:
    """How many objects each will be based on over there; 0 for one on its own."""

    def __init__(
        self, bases: dict[Oid, Oid | None], there: Callable[[Oid], int | None],
    ) -> None:
        self._bases = bases
        self._there = there
        self._found: dict[Oid, int] = {}

    def of(self, oid: Oid) -> int:
        chain = [oid]
        while (last := chain[-1]) not in self._found:
            base = self._bases[last]
            if base is None:
                self._found[last] = 0
            elif base in self._bases:
                if base in chain:       # a store has no circles
                    self._found[last] = 0
                chain.append(base)
            else:
                depth = self._there(base)
                deeper = 0 if depth is None else depth + 1
                self._found[last] = deeper if deeper <= DEEPEST else 0
        for above, below in zip(chain[-2::-1], chain[:0:-1]):
            if above not in self._found:
                deeper = self._found[below] + 1
                self._found[above] = deeper if deeper <= DEEPEST else 0
        return self._found[oid]


def send(levels: Sequence[Collection[Outgoing]], shelves: Shelves) -> None:
    total = sum(each.nbytes for level in levels for each in level)
    with Progress('Sending tensors', total) as progress:
        for level in levels:
            workers.each(lambda each: _send(each, shelves, progress), level)


def _send(each: Outgoing, shelves: Shelves, progress: Progress) -> None:
    if each.base is not None and shelves.has(each.oid):
        progress.add(each.nbytes)       # somebody was first (transfer.depot.shelves)
        return
    seal = shelves.seal
    with closing(_pieces(each.path, progress)) as pieces:
        sealed = seal.seal(pieces, object_(each.oid))
        shelves.place.put(shelves.key(each.oid), seal.size(each.nbytes), sealed)


def _pieces(path: Path, progress: Progress) -> Generator[memoryview, None, None]:
    fd = os.open(path, os.O_RDONLY)
    try:
        buffer = memoryview(bytearray(min(_PIECE, os.fstat(fd).st_size)))
        while n := os.readv(fd, [buffer]):
            yield buffer[:n]
            progress.add(n)
    finally:
        os.close(fd)
