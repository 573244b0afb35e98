"""Tensors on the same Git remote as the commits: any host, no account more."""
from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of
from git_model_driver.git import transport
from git_model_driver.git.packs import BLOB
from git_model_driver.git.packs import COMMIT
from git_model_driver.git.packs import TREE
from git_model_driver.git.packs import PackWriter
from git_model_driver.git.repository import Repository
from git_model_driver.git.transport import Quarantine
from git_model_driver.git.transport import Ref
from git_model_driver.git.transport import Refused
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store
from git_model_driver.transfer import batches
from git_model_driver.transfer.batches import Stored
from git_model_driver.transfer.known import Known

_PIECE = 1 << 20
_PART = 64 << 20        # that common hosts take as a blob
_BATCH = 1 << 30        # bytes in a push
_WHO = 'git-model <git-model@localhost> 0 +0000'


class _Outgoing(NamedTuple):
    oid: Oid
    path: Path
    nbytes: int
    base: Oid | None

    @property
    def parts(self) -> int:
        return max(1, -(-self.nbytes // _PART))


class GitRemote:
    """A repository that git can push to and fetch from, at ``url``."""

    def __init__(self, url: str, repository: Repository) -> None:
        self.url = url
        self._repository = repository
        self._known = Known(url, repository)
        self._tmp = repository.store_root / 'tmp'

    def is_new(self) -> bool:
        """Whether it has no tensors at all. Raises GitError."""
        self._known.refresh()
        return not self._known.stored()

    def send(self, objects: Mapping[Oid, str], store: Store) -> int:
        """Send what the remote lacks; how many objects. Raises GitModelError.

        ``objects`` says where each is needed. A difference travels as one where the
        other side has what it is from, or gets it.
        """
        self._known.refresh()
        there = self._known.stored()
        lacking = [oid for oid in objects if oid not in there]
        for oid in lacking:
            if store.find(oid) is None:
                raise GitModelError(
                    f"cannot push '{objects[oid]}': its object {oid} is not in the "
                    'store',
                    'get it with "git model pull", see all with "git model fsck"',
                )
        scratch = self._tmp / f'push-{os.getpid()}-{secrets.token_hex(8)}'
        with ExitStack() as stack:
            stack.callback(_remove, scratch)
            known = {*there, *lacking}
            ready = [_outgoing(oid, store, known, scratch) for oid in lacking]
            for batch in _batches(ready):
                self._push(batch)
        return len(lacking)

    def _push(self, batch: Sequence[_Outgoing]) -> None:
        with Quarantine(self._tmp, self._repository) as quarantine:
            id_, text, refs = _written(quarantine.packs, batch)
            quarantine.push(self.url, refs)
            self._known.add(id_, text)

    def take(self, wanted: Iterable[Oid], store: Store) -> None:
        """Get these into the store, as far as the remote has them, with their bases.

        Raises GitError where it cannot be reached, CorruptObject.
        """
        lacking = set(wanted)
        there = self._known.stored()
        if not lacking <= there.keys():
            self._known.refresh()
            there = self._known.stored()
        needed = _with_bases(lacking, there, store)
        if not needed:
            return
        with Quarantine(self._tmp, self._repository) as quarantine:
            self._fetch(quarantine, needed)
            _unpack(quarantine, needed, store)

    def _fetch(self, quarantine: Quarantine, needed: Sequence[Stored]) -> None:
        names = list(dict.fromkeys(blob for s in needed for blob in s.blobs))
        try:
            quarantine.fetch(self.url, names)
        except Refused:     # an older protocol: then all that came with them
            ids = self._known.batch_of({stored.oid for stored in needed})
            refs = [batches.ref(id_, batches.OBJECTS) for id_ in ids]
            quarantine.fetch(self.url, refs)


def _outgoing(oid: Oid, store: Store, known: set[Oid], scratch: Path) -> _Outgoing:
    """The object as it is, or decoded where the other side would lack its base."""
    with store.open(oid) as file:
        base = file.header.base
        if base is None or base in known:
            return _Outgoing(oid, file.path, file.stored, base)
        other = Store(scratch)
        with other.batch() as batch:
            batch.put_decoded(file)
    path = other.path(oid)
    return _Outgoing(oid, path, path.stat().st_size, None)


def _batches(ready: Sequence[_Outgoing]) -> Iterator[list[_Outgoing]]:
    """Groups that are no larger than a push should be; bases come before."""
    batch: list[_Outgoing] = []
    size = 0
    for outgoing in _bases_first(ready):
        if batch and size + outgoing.nbytes > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(outgoing)
        size += outgoing.nbytes
    if batch:
        yield batch


def _bases_first(ready: Sequence[_Outgoing]) -> Iterator[_Outgoing]:
    waiting = {outgoing.oid: outgoing for outgoing in ready}
    for oid in list(waiting):
        chain = []
        next_: Oid | None = oid
        while next_ is not None and next_ in waiting:
            chain.append(waiting.pop(next_))
            next_ = chain[-1].base
        yield from reversed(chain)


def _written(
    folder: Path, batch: Sequence[_Outgoing],
) -> tuple[str, str, list[Ref]]:
    """Write a pack with a batch: its id, its list, what is to be pushed."""
    parts = sum(outgoing.parts for outgoing in batch)
    padding = max(0, transport.UNPACKED_BELOW - parts)
    # Beside: two trees of objects and padding, their tree, the list, its tree, commits.
    count = parts + padding + 7
    with PackWriter(folder, transport.algorithm(), count) as pack:
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


def _added(pack: PackWriter, outgoing: _Outgoing) -> Stored:
    names = []
    with open(outgoing.path, 'rb', buffering=0) as file:
        for i in range(outgoing.parts):
            size = min(_PART, outgoing.nbytes - i * _PART)
            names.append(pack.add(BLOB, size, _pieces(file.fileno(), i * _PART, size)))
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
        for oid, _, _, blobs in sorted(stored) for i, blob in enumerate(blobs)
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


def _with_bases(
    oids: Iterable[Oid], there: Mapping[Oid, Stored], store: Store,
) -> list[Stored]:
    """What is to be had of these and of what they are based on, bases first."""
    found: dict[Oid, Stored] = {}
    for oid in oids:
        chain: list[Stored] = []
        next_: Oid | None = oid
        while next_ is not None and next_ in there and next_ not in found:
            if store.has(next_) or any(each.oid == next_ for each in chain):
                break
            chain.append(there[next_])
            next_ = chain[-1].base
        found.update((stored.oid, stored) for stored in reversed(chain))
    return list(found.values())


def _unpack(quarantine: Quarantine, needed: Sequence[Stored], store: Store) -> None:
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
            paths[stored.oid] = path
            with ObjectFile(path, stored.oid, open_base) as received:
                if received.header.base != stored.base:
                    raise CorruptObject(
                        f'the object {stored.oid} is not what the remote says',
                        'see what it has with "git model fetch"', oid=stored.oid,
                    )
                path.chmod(0o444)
                batch.take_over(received, paths.keys())


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
