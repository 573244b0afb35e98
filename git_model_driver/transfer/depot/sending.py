"""Objects on their way to a depot: bases before what is based on them."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Generator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from git_model_driver.core.oid import Oid
from git_model_driver.git.progress import Progress
from git_model_driver.store.chains import DEEPEST
from git_model_driver.store.glance import is_same
from git_model_driver.store.objects import Store
from git_model_driver.transfer.depot.shelves import Shelves
from git_model_driver.transfer.outgoing import Outgoing
from git_model_driver.transfer.outgoing import as_it_is
from git_model_driver.transfer.outgoing import decoded
from git_model_driver.transfer.seals import object_


def ready(
    objects: Mapping[Oid, str], store: Store, shelves: Shelves, scratch: Path,
) -> list[list[Outgoing]]:
    """What is to be sent, by levels: none is based on one of its own or a later one.

    An object is sent as it is where its base is on the other side or among these, and
    is not itself based on too many.
    """
    found = [as_it_is(oid, path, store) for oid, path in objects.items()]
    bases = {each.oid: each.base for each in found}
    elsewhere = sorted({b for b in bases.values() if b is not None} - bases.keys())
    shelves.look_at(elsewhere)
    depths = _Depths(bases, shelves.depth)
    levels: dict[int, list[Outgoing]] = {}
    for each in found:
        depth = depths.of(each.oid)
        if depth == 0 and each.base is not None:
            each = decoded(each, store, scratch)
        levels.setdefault(depth, []).append(each)
    return [levels[depth] for depth in sorted(levels)]


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
            rest = [each for each in level if not _linked(each, shelves, progress)]
            if rest:
                shelves.each(lambda each: _send(each, shelves, progress), rest)
            shelves.place.settle()      # before what is based on it


def _linked(each: Outgoing, shelves: Shelves, progress: Progress) -> bool:
    """Whether it lies there without a copy: where it need not be read, either."""
    if shelves.seal.id or not shelves.place.is_near or each.sealed is None:
        return False
    if not is_same(each.path, each.sealed):     # git model gc has encoded it anew
        return False
    if not shelves.place.link(shelves.key(each.oid), each.path):
        return False
    progress.add(each.nbytes)
    return True


def _send(each: Outgoing, shelves: Shelves, progress: Progress) -> None:
    if each.base is not None and shelves.has(each.oid):
        progress.add(each.nbytes)       # somebody was first (transfer.depot.shelves)
        return
    seal = shelves.seal
    with closing(_told(each, progress)) as pieces:
        sealed = seal.seal(pieces, object_(each.oid))
        shelves.place.put(shelves.key(each.oid), seal.size(each.nbytes), sealed)


def _told(each: Outgoing, progress: Progress) -> Generator[memoryview, None, None]:
    with closing(each.pieces()) as pieces:
        for piece in pieces:
            yield piece
            progress.add(len(piece))
