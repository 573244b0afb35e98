"""Where a depot has what:

    objects/ab/cdef...      an object as a store has it (store.objectheader)
    sealed/ab/cdef...       the same encrypted (transfer.sealing), by another name
    sealed/key              says which key that is, and that there is one
    tmp/                    what is being written, where no file can be at once

Nothing that has its name is ever changed. An object may be a difference from another,
which is then there, too: it was before. So no chain of them is a circle: say each of
X1, ..., Xn is a difference from the next, and Xn from X1. Whoever put Xi found, after
X(i+1) was there, that Xi was not: X(i+1) was there earlier than Xi. So each of them was
there earlier than itself. This needs no lock, only that a file that was written is
seen by who asks for it later, as it is on S3 since 2020. Where two put the same object
at once, either's is right, for its base was there.
"""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple
from typing import TypeVar

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.store import objectheader
from git_model_driver.store.objectfile import DEEPEST
from git_model_driver.transfer import workers
from git_model_driver.transfer.depot.place import Place
from git_model_driver.transfer.seals import Plain
from git_model_driver.transfer.seals import Seal
from git_model_driver.transfer.seals import object_

_KEY = 'sealed/key'
_KEY_CONTENT = b'git-model: what is in this folder is encrypted\n'
_LISTED_FROM = 1_000        # objects: 256 lists cost less than a question each
T = TypeVar('T')
_HEAD = 72 << 10            # holds a sealed segment: the table of 2 GB


class Head(NamedTuple):
    """What the beginning of an object on the other side says."""

    nbytes: int
    base: Oid | None


class Shelves:
    """Objects by oid in a place, as a seal has them."""

    def __init__(self, place: Place, seal: Seal) -> None:
        self.place = place
        self.seal = seal
        self._top = 'sealed' if seal.id else 'objects'
        self._heads: dict[Oid, Head | None] = {}

    def key(self, oid: Oid) -> str:
        name = self.seal.name(oid)
        return f'{self._top}/{name[:2]}/{name[2:]}'

    def has(self, oid: Oid) -> bool:
        return self.place.size(self.key(oid)) is not None

    def sizes(self, oids: Collection[Oid]) -> dict[Oid, int]:
        """Of those that are there, as they lie there."""
        found: dict[str, int] = {}
        keys = {self.key(oid): oid for oid in oids}

        def ask(key: str) -> None:
            size = self.place.size(key)
            if size is not None:
                found[key] = size

        if len(keys) >= _LISTED_FROM and self.place.has_lists:
            folders = {key.rpartition('/')[0] for key in keys}
            self.each(lambda f: found.update(self.place.sizes(f)), sorted(folders))
        else:
            self._each(ask, keys)
        return {oid: found[key] for key, oid in keys.items() if key in found}

    def look_at(self, oids: Collection[Oid]) -> None:
        """Their depths are remembered."""
        self._each(self.depth, oids)

    def _each(self, ask: Callable[[T], object], items: Collection[T]) -> None:
        """Several at once, where that is waited for."""
        if self.place.is_near and len(items) < _LISTED_FROM:
            for item in items:
                ask(item)
        elif items:
            self.each(ask, items)

    def each(self, work: Callable[[T], object], items: Iterable[T]) -> None:
        """``workers.each``, as many at once as the place is worth."""
        workers.each(work, items, self.place.at_once)

    def depth(self, oid: Oid) -> int | None:
        """How many objects an object is based on; None if any is lacking."""
        depth = 0
        head = self.head(oid)
        while head is not None and head.base is not None and depth < DEEPEST:
            depth += 1
            head = self.head(head.base)
        return depth if head is not None and depth < DEEPEST else None

    def head(self, oid: Oid) -> Head | None:
        """None where there is none, or its size is not what its beginning says."""
        if oid not in self._heads:
            self._heads[oid] = self._head(oid)
        return self._heads[oid]

    def _head(self, oid: Oid) -> Head | None:
        key = self.key(oid)
        total = self.place.size(key)
        if total is None:
            return None
        try:
            size = self.seal.content_size(total)
            data = self._beginning(oid, total, _HEAD)
            header = objectheader.parse(data[:objectheader.TABLE_AT], size)
            if header.data_at > len(data):
                more = self.seal.size(header.data_at) + _HEAD
                data = self._beginning(oid, total, more)
            return Head(total, header.base) if _is_whole(header, data, size) else None
        except (ValueError, objectheader.Newer):
            return None

    def _beginning(self, oid: Oid, total: int, nbytes: int) -> bytes:
        data = self.place.read(self.key(oid), 0, min(nbytes, total))
        try:
            return self.seal.beginning(data, total, object_(oid))
        except GitModelError:       # damaged, or of another key
            raise ValueError from None

    def check_key(self, remote: str, will_send: bool) -> None:
        """Raise GitModelError where what is there has another key than ours, or ours
        has none and what is there has one. The first who sends says which it is.
        """
        there = self.place.size(_KEY)
        if isinstance(self.seal, Plain):
            if there is not None:
                raise GitModelError(
                    f"the tensors at '{self.place.label}' are encrypted",
                    f'say which file has the key: git config remote.{remote}.modelKey '
                    '<file>',
                )
        elif there is not None:
            data = self.place.read(_KEY, 0, there)
            b''.join(self.seal.open([data], b'key'))
        elif will_send:
            sealed = b''.join(self.seal.seal([_KEY_CONTENT], b'key'))
            self.place.put(_KEY, len(sealed), [sealed])

    def has_plain(self, oid: Oid) -> bool:
        """Whether one that we have encrypted, or would, is there as it is."""
        return bool(self.seal.id) and Shelves(self.place, Plain()).has(oid)


def _is_whole(header: objectheader.Header, data: bytes, size: int) -> bool:
    """Whether the table is right, and ends where the object does."""
    head = data[:objectheader.TABLE_AT]
    table = data[objectheader.TABLE_AT:header.data_at]
    rows = objectheader.parse_table(header, head, table)
    *_, end = accumulate((row.stored for row in rows), initial=header.data_at)
    return len(rows) == header.row_count and end == size
