"""Objects made ready for a Git remote: as they are, in a pack of a batch."""
from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of
from git_model_driver.git import transport
from git_model_driver.git.packs import BLOB
from git_model_driver.git.packs import COMMIT
from git_model_driver.git.packs import TREE
from git_model_driver.git.packs import PackWriter
from git_model_driver.git.transport import Ref
from git_model_driver.store.objects import Store
from git_model_driver.transfer.gitrefs import batches
from git_model_driver.transfer.gitrefs.batches import Stored

_PIECE = 1 << 20
_WHO = 'git-model <git-model@localhost> 0 +0000'


class Outgoing(NamedTuple):
    oid: Oid
    path: Path
    nbytes: int
    base: Oid | None

    @property
    def parts(self) -> int:
        return len(batches.part_sizes(self.nbytes))


def outgoing(oid: Oid, store: Store, known: set[Oid], scratch: Path) -> Outgoing:
    """The object as it is, or decoded where the other side would lack its base."""
    with store.open(oid) as file:
        base = file.header.base
        if base is None or base in known:
            return Outgoing(oid, file.path, file.stored, base)
        other = Store(scratch)
        with other.batch() as batch:
            batch.put_decoded(file)
    path = other.path(oid)
    return Outgoing(oid, path, path.stat().st_size, None)


def bases_first(ready: Sequence[Outgoing]) -> Iterator[Outgoing]:
    waiting = {outgoing.oid: outgoing for outgoing in ready}
    for oid in list(waiting):
        chain = []
        next_: Oid | None = oid
        while next_ is not None and next_ in waiting:
            chain.append(waiting.pop(next_))
            next_ = chain[-1].base
        yield from reversed(chain)


def written(
    folder: Path, batch: Sequence[Outgoing],
) -> tuple[str, str, list[Ref]]:
    """Write a pack with a batch: its id, its list, what is to be pushed."""
    parts = sum(outgoing.parts for outgoing in batch)
    padding = max(0, transport.UNPACKED_BELOW - parts)
    # Beside: two trees of objects and padding, their tree, the list, its tree, commits.
    count = parts + padding + 7
    # Git computes the sum anew in what it sends, and nobody else sees this pack.
    with PackWriter(folder, transport.algorithm(), count, sums_all=False) as pack:
        stored = [_added(pack, outgoing) for outgoing in batch]
        text = batches.serialize(stored)
        id_ = batches.id_of(text)
        pad = [
            (f'{i:03}', pack.add_bytes(BLOB, f'{id_} {i}\n'.encode()))
            for i in range(padding)
        ]
        trees = [
            ('objects', pack.add_bytes(TREE, _tree(_names(stored)))),
            ('padding', pack.add_bytes(TREE, _tree(pad))),
        ]
        objects = pack.add_bytes(TREE, _tree(trees, b'40000'))
        index = pack.add_bytes(BLOB, text.encode())
        listed = pack.add_bytes(TREE, _tree([(batches.INDEX, index)]))
        refs = [
            Ref(batches.ref(id_, what), pack.add_bytes(COMMIT, _commit(tree, what)))
            for what, tree in ((batches.OBJECTS, objects), (batches.INDEX, listed))
        ]
    return id_, text, refs


def _added(pack: PackWriter, outgoing: Outgoing) -> Stored:
    names = []
    with open(outgoing.path, 'rb', buffering=0) as file:
        offset = 0
        for size in batches.part_sizes(outgoing.nbytes):
            names.append(pack.add(BLOB, size, _pieces(file.fileno(), offset, size)))
            offset += size
    return Stored(outgoing.oid, outgoing.nbytes, outgoing.base, tuple(names))


def _pieces(fd: int, offset: int, length: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(min(_PIECE, length)))
    end = offset + length
    while offset < end:
        n = os.preadv(fd, [buffer[:min(_PIECE, end - offset)]], offset)
        if not n:
            return
        yield buffer[:n]
        offset += n


def _names(stored: Iterable[Stored]) -> list[tuple[str, str]]:
    return [
        (f'{hex_of(oid)}.{i:06}', blob)
        for oid, _, _, blobs, _ in sorted(stored) for i, blob in enumerate(blobs)
    ]


def _tree(entries: Iterable[tuple[str, str]], mode: bytes = b'100644') -> bytes:
    """Entries in the order of their names."""
    return b''.join(
        b'%s %s\0%s' % (mode, name.encode(), bytes.fromhex(oid))
        for name, oid in entries
    )


def _commit(tree: str, what: str) -> bytes:
    """The same for the same tree: who sends it and when is no part of it."""
    return (
        f'tree {tree}\nauthor {_WHO}\ncommitter {_WHO}\n\n'
        f'{what} of a batch of tensors (git-model)\n'
    ).encode()
