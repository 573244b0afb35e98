"""A model file read where it lies: nothing of it is stored."""
from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core import oid as oids
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Tensor
from git_model_driver.core.manifest import Blob
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.filters import clean
from git_model_driver.formats import opaque
from git_model_driver.store.digest import oid_of
from git_model_driver.store.objectwriter import pieces
from git_model_driver.store.readable import Opened
from git_model_driver.store.readable import Readable
from git_model_driver.store.source import FileSource
from git_model_driver.store.source import Span


class ModelFile:
    """A file, taken apart. It is open until it is forgotten.

    ``known`` is its manifest, where that is known: else the file is read once, for its
    oids. The descriptor is taken over. Raises Changed for a file that is written to.
    Any number of threads may read it.
    """

    def __init__(
        self, fd: int, name: str, folder: str | None, known: Manifest | None = None,
    ) -> None:
        self._fd = fd
        self._source = FileSource(fd, os.path.basename(name), folder)
        self._tensors: dict[Oid, Tensor] = {}
        self.manifest = self._taken_apart(known)

    def __del__(self) -> None:
        if hasattr(self, '_source'):
            self._source.close_siblings()
        os.close(self._fd)

    def _taken_apart(self, known: Manifest | None) -> Manifest:
        layout = clean.layout_of(self._source)
        if layout is None:
            return known or self._opaque()
        found: dict[tuple[str, Extent], Oid] = {}
        for tensor in layout.tensors:
            place = tensor.file, tensor.extent
            if known is not None and tensor.name in known.tensors:
                found[place] = known.tensors[tensor.name].oid
            elif place not in found:
                found[place] = oid_of(clean.span(self._source, tensor))
            self._tensors[found[place]] = tensor
        self._source.check_unchanged()
        if known is not None:
            return known
        tensors = clean.entries(layout, found)
        made = Manifest(layout.format, None, dict(layout.meta), tensors)
        skeleton = clean.cut_out(self._source, layout)
        if clean.is_canonical(made, skeleton):
            return made
        return made._replace(skeleton=Blob(oids.of_bytes(skeleton), len(skeleton)))

    def _opaque(self) -> Manifest:
        chunks = (
            Blob(oid_of(self._source.span(*extent)), extent.length)
            for extent in opaque.pieces(self._source)
        )
        return Manifest(manifests.OPAQUE, chunks=tuple(chunks))

    def __contains__(self, oid: Oid) -> bool:
        return oid in self._tensors

    def span(self, oid: Oid) -> Span:
        """Where a tensor of it lies. Raises Changed if the file is gone."""
        return clean.span(self._source, self._tensors[oid])

    def chunks(self, oid: Oid) -> Iterator[memoryview]:
        """The bytes of a tensor, the last of them only if all are what they are to be.

        Raises Changed if the file was written to, in whatever way.
        """
        span = self.span(oid)
        digest, left = hashlib.sha256(), span.length
        for piece in pieces(span):
            digest.update(piece)
            left -= len(piece)
            if not left:
                self._source.check_unchanged()
                if oids.from_digest(digest.digest()) != oid:    # mapped, and written to
                    raise self._source.changed()
            yield piece


class _Extent(NamedTuple):
    """One of its tensors, as an object."""

    file: ModelFile
    oid: Oid

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *exc: object) -> None:
        return

    def chunks(self) -> Iterator[memoryview]:
        return self.file.chunks(self.oid)


class Nowhere:
    """The store of what is in no repository: it has nothing, and keeps nothing."""

    root = Path(os.devnull)

    def open(self, oid: Oid) -> Opened:
        raise MissingObject(
            f'the object {oid} is not in the file', 'is it that of another model?',
            oid=oid,
        )

    def missing(self, oids: Iterable[Oid]) -> set[Oid]:
        return set(oids)

    def gather(self, oids: Iterable[Oid]) -> list[Path]:
        return []


class Overlay:
    """What is in some files, and else in a store."""

    def __init__(self, files: Sequence[ModelFile], store: Readable) -> None:
        self.files = files
        self.store = store
        self.root: Path = store.root

    def _file(self, oid: Oid) -> ModelFile | None:
        return next((file for file in self.files if oid in file), None)

    def open(self, oid: Oid) -> Opened:
        file = self._file(oid)
        return self.store.open(oid) if file is None else _Extent(file, oid)

    def missing(self, oids: Iterable[Oid]) -> set[Oid]:
        return self.store.missing(self._elsewhere(oids))

    def gather(self, oids: Iterable[Oid]) -> list[Path]:
        return self.store.gather(self._elsewhere(oids))

    def _elsewhere(self, oids: Iterable[Oid]) -> list[Oid]:
        return [oid for oid in oids if self._file(oid) is None]


def opened(name: str) -> int:
    """A descriptor of a regular file. Raises GitModelError for anything else."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as e:
        raise GitModelError(
            f"cannot read '{name}': {e.strerror}",
            'see which models there are with "git model ls-files"',
        ) from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise GitModelError(
            f"'{name}' is no file",
            'see which models there are with "git model ls-files"',
        )
    return fd
