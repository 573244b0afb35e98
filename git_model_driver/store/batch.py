"""Writing objects: all of a file's together, complete and durable or not at all."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import Changed
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import from_digest
from git_model_driver.store import cores
from git_model_driver.store import freshness
from git_model_driver.store import memory
from git_model_driver.store.chains import Open
from git_model_driver.store.chains import chain_here
from git_model_driver.store.codec.form import BYTES
from git_model_driver.store.codec.form import DOCUMENT
from git_model_driver.store.codec.form import Form
from git_model_driver.store.codec.update import Matrix
from git_model_driver.store.digest import check_digest
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.disk import flush
from git_model_driver.store.disk import give_name
from git_model_driver.store.disk import link_or_copy
from git_model_driver.store.encoder import SMALLEST
from git_model_driver.store.encoder import Encoder
from git_model_driver.store.encoder import encoder
from git_model_driver.store.incoming import Incoming
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objectheader import checksum
from git_model_driver.store.objectwriter import pieces
from git_model_driver.store.objectwriter import write_object
from git_model_driver.store.places import Places
from git_model_driver.store.places import object_path
from git_model_driver.store.source import BytesSpan
from git_model_driver.store.source import Span

_PARALLEL_FROM = 8 << 20


def _none() -> None:
    return None


class Item(NamedTuple):
    """Bytes to store, the form of their elements, and what may be their base.

    A form of None is guessed. The base is asked for only where the bytes are new.
    ``matrix`` is their shape, where they are one, ``oid`` what they must be.
    """

    span: Span
    form: Form | None = BYTES
    base: Callable[[], Oid | None] = _none
    matrix: Matrix | None = None
    oid: Oid | None = None


class Batch:
    """New objects, invisible until the ``with`` block ends without an error.

    ``put`` may be called from several threads at once. ``has`` tells what need not
    be stored, ``open_here`` opens what an object may be based on, ``name`` gives a
    complete file its name.
    """

    def __init__(
        self, root: Path, has: Callable[[Oid], bool], open_here: Open,
        name: Callable[[Path, Path], None] = give_name,
    ) -> None:
        self.root = root
        self._name = name
        self._has = has
        self._open = open_here
        self._pending: dict[Oid, Path] = {}
        self._places = Places(root)

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                with self._errors():
                    self._publish()
        finally:
            for path in self._pending.values():
                path.unlink(missing_ok=True)

    def put(self, item: Item) -> Oid:
        """Store the bytes of an item and return their oid.

        They are read once to learn the oid, and once more if they are new and
        longer than a chunk; Changed is raised where the second reading differs,
        CorruptObject where they are others than they must be.
        """
        span = item.span
        digest, sums, data = hashlib.sha256(), [], memoryview(b'')
        for data in pieces(span):
            digest.update(data)
            sums.append(checksum(data))
        oid = from_digest(digest.digest())
        if item.oid not in (None, oid):
            raise CorruptObject(f'these are not the bytes of {item.oid}', oid=item.oid)
        if not self._known(oid):
            again = [data] if len(sums) == 1 else pieces(span)
            coder = self._encoder(span.length, item.form, item.base(), item)
            chunks = _checked(again, sums, oid)
            self._keep_new(oid, self._write(span.length, chunks, coder, sums))
        return oid

    def put_all(self, items: Sequence[Item]) -> list[Oid]:
        """``put`` for each, on all cores where there is enough to do."""
        work = sum(item.span.length for item in items)
        if len(items) < 2 or work < _PARALLEL_FROM:
            return [self.put(item) for item in items]
        from concurrent.futures import ThreadPoolExecutor  # 15 ms

        memory.keep()
        with ThreadPoolExecutor(cores.threads()) as pool:
            return list(pool.map(self.put, items))

    def put_bytes(
        self, data: bytes, form: Form = DOCUMENT, base: Oid | None = None,
    ) -> Oid:
        return self.put(Item(BytesSpan(data), form, lambda: base))

    def put_stream(
        self, nbytes: int, chunks: Iterable[memoryview],
        form: Form = BYTES, base: Oid | None = None,
    ) -> Oid:
        """Store exactly ``nbytes`` that can be had only once, in pieces of CHUNK."""
        digest = hashlib.sha256()
        coder = self._encoder(nbytes, form, base)
        path = self._write(nbytes, _hashed(chunks, digest), coder)
        oid = from_digest(digest.digest())
        if self._known(oid):
            path.unlink()
        else:
            self._keep_new(oid, path)
        return oid

    def take_over(
        self, file: ObjectFile, wanted: Collection[Oid] = frozenset(),
        check: Callable[[ObjectFile], None] = check_digest,
    ) -> None:
        """Link or copy another store's object. Raises CorruptObject.

        ``check`` reads it: as a whole, with its SHA-256, unless it is known to be what
        its name says and only its bytes may have suffered (ObjectFile.verify).

        Its base comes first if it is ``wanted``, too. What would be based on an
        object that is not here, or on one that is itself based on what is not here,
        is decoded instead: so no chain can be a circle.
        """
        if self._known(file.oid):
            return
        check(file)
        base = file.header.base
        if base is not None and base in wanted and not self._known(base):
            self.take_over(file.base, set(wanted) - {file.oid}, check)
        if base is not None and not self._carries(base):
            self.put_decoded(file)
            return
        with self._errors():
            own = self._temporary()
            try:
                link_or_copy(file.path, own, self._places.file_mode)
            except BaseException:
                own.unlink(missing_ok=True)
                raise
        self._keep(file.oid, own)

    def put_decoded(self, file: ObjectFile) -> Oid:
        """Store the raw bytes of another store's object, based on nothing."""
        count = -(-file.nbytes // CHUNK)
        pieces_ = (file.chunk_at(i, CHUNK) for i in range(count))
        return self.put_stream(file.nbytes, pieces_, file.header.form)

    def put_incoming(self, file: Incoming, form: Form | None = None) -> None:
        """Store what has arrived whole, and was compared with its name."""
        if not self._known(file.oid):
            coder = self._encoder(file.nbytes, form, None)
            chunks = _checked(file.chunks(), file.sums, file.oid)
            path = self._write(file.nbytes, chunks, coder, file.sums)
            self._keep_new(file.oid, path)

    def _carries(self, base: Oid) -> bool:
        return base in self._pending or (
            self._has(base) and bool(chain_here(base, self._open))
        )

    def _known(self, oid: Oid) -> bool:
        return oid in self._pending or self._has(oid)

    def _keep_new(self, oid: Oid, path: Path) -> None:
        """What was written here, and compared with its name."""
        freshness.seal(path, oid)
        self._keep(oid, path)

    def _keep(self, oid: Oid, path: Path) -> None:
        kept = self._pending.setdefault(oid, path)
        if kept != path:        # another thread was first
            path.unlink()

    @cached_property
    def _tmp(self) -> Path:
        folder = self.root / 'tmp'
        self._places.folder(folder)
        return folder

    def _temporary(self) -> Path:
        return self._tmp / f'{os.getpid()}-{os.urandom(8).hex()}'

    def _encoder(
        self, nbytes: int, form: Form | None, base: Oid | None,
        item: Item | None = None,
    ) -> Encoder | None:
        if nbytes < SMALLEST:
            return None
        matrix, span = (item.matrix, item.span) if item else (None, None)
        return encoder(form, base, self._open, matrix, span)

    def _write(
        self, nbytes: int, chunks: Iterable[memoryview], coder: Encoder | None,
        sums: Sequence[int] = (),
    ) -> Path:
        """A file with these chunks; ``sums`` are theirs where they are known."""
        try:
            with self._errors():
                path = self._temporary()
                try:
                    with open(path, 'xb', buffering=0) as file:
                        write_object(file.fileno(), nbytes, chunks, coder, sums)
                        os.fchmod(file.fileno(), self._places.file_mode)
                except BaseException:
                    path.unlink(missing_ok=True)
                    raise
        finally:
            if coder:
                coder.close()
        return path

    def _publish(self) -> None:
        """Make what is pending durable, then visible, then that durable."""
        if not self._pending:
            return
        self._places.sweep()
        flush(self.root, self._pending.values())
        folders = {self.root, self.root / 'objects'}
        for oid in list(self._pending):
            final = object_path(self.root, oid)
            if final.parent not in folders:
                self._places.folder(final.parent)
                folders.add(final.parent)
            self._name(self._pending[oid], final)
            del self._pending[oid]
        flush(self.root, folders)

    def _errors(self) -> StoreErrors:
        return StoreErrors(self.root)


def _checked(
    chunks: Iterable[memoryview], sums: list[int], oid: Oid,
) -> Iterator[memoryview]:
    for chunk, expected in zip(chunks, sums):
        if checksum(chunk) != expected:
            raise Changed(
                f'the bytes of {oid} changed while they were being stored',
                'wait until the file is written whole, then run the command again',
            )
        yield chunk


def _hashed(
    chunks: Iterable[memoryview], digest: hashlib._Hash,
) -> Iterator[memoryview]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
