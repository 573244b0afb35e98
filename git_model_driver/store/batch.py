"""Writing objects: all of a file's together, complete and durable or not at all."""
from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from git_model_driver.core.errors import Changed
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import from_digest
from git_model_driver.store import codec as codecs
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objectfile import Header
from git_model_driver.store.objectfile import checksum
from git_model_driver.store.objectfile import pack
from git_model_driver.store.places import Places
from git_model_driver.store.places import object_path
from git_model_driver.store.source import BytesSpan
from git_model_driver.store.source import Span

# From so many new objects on, one flush of the file system costs less than
# one of each file (a model may have 100,000 tensors).
_FLUSH_ALL_FROM = 32
_PARALLEL_FROM = 8 << 20
_THREADS = 4        # each holds a chunk


class Batch:
    """New objects, invisible until the ``with`` block ends without an error.

    ``put`` may be called from several threads at once.
    """

    def __init__(self, root: Path, has: Callable[[Oid], bool]) -> None:
        self.root = root
        self._has = has
        self._codec = codecs.RAW
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

    def put(self, span: Span) -> Oid:
        """Store the bytes of a span and return their oid.

        They are read once to learn the oid, and once more if they are new and
        longer than a chunk; Changed is raised where the second reading differs.
        """
        digest, sums, data = hashlib.sha256(), [], memoryview(b'')
        for data in pieces(span):
            digest.update(data)
            sums.append(checksum(data))
        oid = from_digest(digest.digest())
        if not self._known(oid):
            again = [data] if len(sums) == 1 else pieces(span)
            self._keep(oid, self._write(span.length, _checked(again, sums, oid)))
        return oid

    def put_all(self, spans: Sequence[Span]) -> list[Oid]:
        """``put`` for each, on all cores where there is enough to do."""
        work = sum(span.length for span in spans)
        if len(spans) < 2 or work < _PARALLEL_FROM:
            return [self.put(span) for span in spans]
        from concurrent.futures import ThreadPoolExecutor  # 15 ms

        with ThreadPoolExecutor(min(os.cpu_count() or 1, _THREADS)) as pool:
            return list(pool.map(self.put, spans))

    def put_bytes(self, data: bytes) -> Oid:
        return self.put(BytesSpan(data))

    def put_stream(self, nbytes: int, chunks: Iterable[memoryview]) -> Oid:
        """Store exactly ``nbytes`` that can be had only once, in pieces of CHUNK."""
        digest = hashlib.sha256()
        path = self._write(nbytes, _hashed(chunks, digest))
        oid = from_digest(digest.digest())
        if self._known(oid):
            path.unlink()
        else:
            self._keep(oid, path)
        return oid

    def take_over(self, path: Path, oid: Oid) -> None:
        """Link or copy another store's object file; the caller has checked it."""
        with self._errors():
            own = self._temporary()
            try:
                os.link(path, own)
            except OSError:     # another file system, or one without links
                try:
                    shutil.copyfile(path, own)
                    own.chmod(self._places.file_mode)
                except BaseException:
                    own.unlink(missing_ok=True)
                    raise
        self._keep(oid, own)

    def _known(self, oid: Oid) -> bool:
        return oid in self._pending or self._has(oid)

    def _keep(self, oid: Oid, path: Path) -> None:
        kept = self._pending.setdefault(oid, path)
        if kept != path:        # another thread was first
            path.unlink()

    def _temporary(self) -> Path:
        self._places.folder(self.root / 'tmp')
        return self.root / 'tmp' / f'{os.getpid()}-{secrets.token_hex(8)}'

    def _write(self, nbytes: int, chunks: Iterable[memoryview]) -> Path:
        header, rows = Header(self._codec.number, CHUNK, nbytes), []
        with self._errors():
            path = self._temporary()
            try:
                with open(path, 'xb', buffering=0) as file:
                    file.seek(header.data_at)
                    for raw in chunks:
                        stored = self._codec.encode(raw)
                        rows.append((len(stored), checksum(raw)))
                        _write_all(file.fileno(), stored)
                    os.pwrite(file.fileno(), pack(header, rows), 0)
                    os.fchmod(file.fileno(), self._places.file_mode)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        return path

    def _publish(self) -> None:
        """Make what is pending durable, then visible, then that durable."""
        if not self._pending:
            return
        self._places.sweep()
        flush_all = len(self._pending) >= _FLUSH_ALL_FROM and _syncfs(self.root)
        for path in self._pending.values():
            if not flush_all:
                _fsync(path)
        folders = {self.root, self.root / 'objects'}
        for oid in list(self._pending):
            final = object_path(self.root, oid)
            self._places.folder(final.parent)
            path = self._pending[oid]
            os.replace(path, final)
            path.unlink(missing_ok=True)    # two links of one file: rename is a no-op
            del self._pending[oid]
            folders.add(final.parent)
        if not (flush_all and _syncfs(self.root)):
            for folder in folders:
                _fsync(folder)

    def _errors(self) -> _StoreErrors:
        return _StoreErrors(self.root)


class _StoreErrors:
    """Turns the operating system's refusals into StoreError."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, OSError):
            raise StoreError(
                f"cannot write to the store '{self.root}': {error.strerror}",
                'see to the space and permissions there ("df -h", "ls -ld"), then '
                'run the command again: nothing was changed',
            ) from error


def pieces(span: Span) -> Iterator[memoryview]:
    """The bytes of a span, a chunk at a time, in one buffer that is used again."""
    buffer = memoryview(bytearray(min(CHUNK, span.length)))
    for offset in range(0, span.length, CHUNK):
        piece = buffer[:min(CHUNK, span.length - offset)]
        span.readinto(offset, piece)
        yield piece


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


def _write_all(fd: int, data: codecs.Buffer) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def _fsync(path: Path) -> None:
    if os.name == 'nt' and path.is_dir():
        return      # Windows cannot open a directory
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _syncfs(path: Path) -> bool:
    """Flush the whole file system below path; False where that cannot be had."""
    if not sys.platform.startswith('linux'):
        return False
    import ctypes  # 10 ms that few batches need

    fd = os.open(path, os.O_RDONLY)
    try:
        return bool(ctypes.CDLL(None).syncfs(fd) == 0)
    except (OSError, AttributeError):
        return False
    finally:
        os.close(fd)
