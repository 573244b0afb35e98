"""Objects as they are, in a pack of a batch."""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from git_model_driver.git import transport
from git_model_driver.git.packs import BLOB
from git_model_driver.git.packs import COMMIT
from git_model_driver.git.packs import TREE
from git_model_driver.git.packs import PackWriter
from git_model_driver.git.transport import Ref
from git_model_driver.store.codec.zstd import Buffer
from git_model_driver.transfer.gitrefs import batches
from git_model_driver.transfer.gitrefs.batches import Stored
from git_model_driver.transfer.outgoing import Outgoing
from git_model_driver.transfer.seals import Seal
from git_model_driver.transfer.seals import object_

_WHO = 'git-model <git-model@localhost> 0 +0000'


def written(
    folder: Path, batch: Sequence[Outgoing], seal: Seal, algorithm: str,
) -> tuple[str, str, list[Ref]]:
    """Write a pack with a batch: its id, its list, what is to be pushed."""
    sizes = [seal.size(outgoing.nbytes) for outgoing in batch]
    parts = sum(len(batches.part_sizes(size)) for size in sizes)
    padding = max(0, transport.UNPACKED_BELOW - parts)
    # Beside: two trees of objects and padding, their tree, the list, its tree, commits.
    count = parts + padding + 7
    # Git computes the sum anew in what it sends, and nobody else sees this pack.
    with PackWriter(folder, algorithm, count, sums_all=False) as pack:
        stored = [_added(pack, outgoing, seal) for outgoing in batch]
        text = batches.serialize(stored)
        list_ = b''.join(seal.seal([text.encode()], batches.LIST))
        id_ = batches.id_of(list_)
        pad = [
            (f'{i:03}', pack.add_bytes(BLOB, f'{id_} {i}\n'.encode()))
            for i in range(padding)
        ]
        trees = [
            ('objects', pack.add_bytes(TREE, _tree(_names(stored, seal)))),
            ('padding', pack.add_bytes(TREE, _tree(pad))),
        ]
        objects = pack.add_bytes(TREE, _tree(trees, b'40000'))
        index = pack.add_bytes(BLOB, list_)
        listed = pack.add_bytes(TREE, _tree([(batches.INDEX, index)]))
        refs = [
            Ref(batches.ref(id_, what), pack.add_bytes(COMMIT, _commit(tree, what)))
            for what, tree in ((batches.OBJECTS, objects), (batches.INDEX, listed))
        ]
    return id_, text, refs


def _added(pack: PackWriter, outgoing: Outgoing, seal: Seal) -> Stored:
    with closing(outgoing.pieces()) as pieces:
        stream = _Stream(seal.seal(pieces, object_(outgoing.oid)))
        nbytes = seal.size(outgoing.nbytes)
        names = [pack.add(BLOB, n, stream.take(n)) for n in batches.part_sizes(nbytes)]
    return Stored(outgoing.oid, nbytes, outgoing.base, tuple(names))


class _Stream:
    """Pieces, of which so many bytes are taken and then so many more."""

    def __init__(self, pieces: Iterable[Buffer]) -> None:
        self._pieces = iter(pieces)
        self._left = memoryview(b'')

    def take(self, nbytes: int) -> Iterator[memoryview]:
        while nbytes:
            if not self._left:
                piece = next(self._pieces, None)
                if piece is None:
                    return      # the pack finds that it is too short
                self._left = memoryview(piece)
            taken = self._left[:nbytes]
            self._left = self._left[len(taken):]
            nbytes -= len(taken)
            yield taken


def _names(stored: Iterable[Stored], seal: Seal) -> list[tuple[str, str]]:
    return sorted(
        (f'{seal.name(oid)}.{i:06}', blob)
        for oid, _, _, blobs, _ in stored for i, blob in enumerate(blobs)
    )


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
