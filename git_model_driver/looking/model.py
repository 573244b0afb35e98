"""A model of any version, read tensor by tensor, without a checkout."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import manifest as manifests
from git_model_driver.core import numbers
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.errors import NotARepository
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.filters import statistics
from git_model_driver.filters.clean import take_apart
from git_model_driver.filters.filter import Filter
from git_model_driver.filters.smudge import Assembly
from git_model_driver.filters.statistics import Statistics
from git_model_driver.formats import values
from git_model_driver.git import run
from git_model_driver.looking import comparison
from git_model_driver.looking.comparison import Comparison
from git_model_driver.store.cache import Cache
from git_model_driver.store.objects import Store
from git_model_driver.store.source import FileSource


class Model(Mapping[str, Any]):
    """Tensors by name, in the manifest's order (2 before 10); each is read when it is
    asked for.

    A tensor is a new NumPy array of the file's dtype and shape: bfloat16 and float8 are
    those of ml_dtypes; a type that NumPy has no word for (packed 4-bit, GGML's blocks)
    comes as its bytes, uint8 of shape ``(nbytes,)``. ``dict(model)`` has all of them.
    """

    def __init__(self, manifest: Manifest, store: Store, label: str) -> None:
        self.manifest = manifest
        self.label = label
        self._store = store

    def __repr__(self) -> str:
        return f'<{self.label}: {self.format}, {len(self)} tensors>'

    def __len__(self) -> int:
        return len(self.manifest.tensors)

    def __iter__(self) -> Iterator[str]:
        return iter(self.manifest.tensors)

    def __contains__(self, name: object) -> bool:
        return name in self.manifest.tensors

    def __getitem__(self, name: str) -> Any:
        """Raises KeyError, MissingObject, CorruptObject, FormatError."""
        entry = self.manifest.tensors[name]
        with self._store.open(entry.oid) as file:
            data = bytearray().join(values.decoded(entry, file.chunks()))
        return _array(entry, data)

    @property
    def format(self) -> str:
        """``safetensors``, ``npz``, …; ``opaque`` for a file of no known format."""
        return self.manifest.format

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says beside its tensors, as the manifest writes it."""
        return self.manifest.meta

    def info(self, name: str) -> Entry:
        """Dtype, shape and oid of a tensor, without reading it. Raises KeyError."""
        return self.manifest.tensors[name]

    @property
    def missing(self) -> Sequence[str]:
        """Names of the tensors that are not in the store; nothing is fetched."""
        gone = self._store.missing(e.oid for e in self.manifest.tensors.values())
        return [n for n, e in self.manifest.tensors.items() if e.oid in gone]

    def statistics(
        self, entries: Sequence[Entry] | None = None,
    ) -> Mapping[str, Statistics | None]:
        """Of each tensor, remembered from one time to the next; None for what is not
        here, or holds no real numbers.
        """
        self._store.gather(e.oid for e in entries or self.manifest.tensors.values())
        cache = Cache(self._store.root / 'statistics.sqlite')
        wanted = list(self.manifest.tensors.values()) if entries is None else entries
        return statistics.of_all(wanted, self._store, cache)

    def diff(self, other: Model) -> Comparison:
        """What differs in ``other``, this one being the old one."""
        if self._store.root != other._store.root:
            raise GitModelError(
                f"'{self.label}' and '{other.label}' are not in one repository",
                'fetch the one into the other: git fetch <repository>',
            )
        return comparison.compare(self.manifest, other.manifest, self._store)


def _array(entry: Entry, data: bytearray) -> Any:
    import numpy

    dtype = dtypes.as_numpy(entry.dtype, numbers.endian_of(entry.extra))
    if dtype is None and entry.dtype[:1] in '<>|':
        dtype = numpy.dtype(entry.dtype)
    if dtype is None:
        return numpy.frombuffer(data, 'uint8')
    flat = numpy.frombuffer(data, dtype)
    if dict(entry.extra).get('order') == 'F':
        return flat.reshape(entry.shape[::-1]).T
    return flat.reshape(entry.shape)


def open_model(spec: str | os.PathLike[str]) -> Model:
    """``[<revision>:]<path>``, or ``:<path>`` for the index; without a revision the
    file itself, which needs no repository.

    Raises GitModelError for what is not there, or is no model.
    """
    text = os.fspath(spec)
    if os.path.isfile(text) or ':' not in text:
        return _of_file(text)
    with Filter() as filter_:
        return of_revision(text, filter_)


def of_revision(spec: str, filter_: Filter) -> Model:
    """That of a blob by git's name for it. Raises GitError, GitModelError."""
    data = None if spec.startswith('-') else filter_.blob(_resolved(spec))
    if data is None:
        raise GitModelError(
            f"'{words.printable(spec)}' is no file",
            f'see what there is with "git ls-tree {words.shell(spec)}"',
        )
    if not manifests.is_manifest(data):
        raise GitModelError(
            f"'{words.printable(spec)}' is no model that git model keeps",
            'see which there are with "git model ls-files"',
        )
    manifest = manifests.parse(data, spec)
    return Model(manifest, filter_.store, words.printable(spec))


def _resolved(spec: str) -> str:
    """In git's own words where there is none (those of --verify say nothing)."""
    return run.text('rev-parse', spec)


def _of_file(name: str) -> Model:
    """A model file or a manifest. Tensors of a model go to the store, as git add's."""
    path, label = Path(name), words.printable(name)
    try:
        with open(path, 'rb') as file:
            head = file.read(len(manifests.MAGIC))
            data = head + file.read() if manifests.is_manifest(head) else b''
    except OSError as e:
        raise GitModelError(
            f"cannot read '{label}': {e.strerror}",
            'see which models there are with "git model ls-files"',
        ) from None
    try:
        with Filter() as filter_:
            manifest = manifests.parse(data, name) if data else (
                filter_.take_apart(path, name)
            )
            return Model(manifest, filter_.store, label)
    except NotARepository:
        return _alone(path, name, label)


class _Kept(Store):
    """A store that is gone with the last model that reads it."""

    def __init__(self, folder: tempfile.TemporaryDirectory[str]) -> None:
        super().__init__(Path(folder.name))
        self._folder = folder


def _alone(path: Path, name: str, label: str) -> Model:
    store = _Kept(tempfile.TemporaryDirectory(prefix='git-model-'))
    with open(path, 'rb') as file:
        head = file.read(len(manifests.MAGIC))
        if manifests.is_manifest(head):
            raise MissingObject(
                f"'{label}' is a manifest, and in no repository",
                'clone the repository that it is from: git clone <repository>',
            )
        source = FileSource(file.fileno(), name, str(path.resolve().parent))
        return Model(take_apart(source, store), store, label)


def manifest_of(path: str | os.PathLike[str]) -> str:
    """The manifest of a file; its tensors are in the store afterwards."""
    with Filter() as filter_:
        return manifests.serialize(filter_.take_apart(Path(path), os.fspath(path)))


def write(text: str, path: str | os.PathLike[str]) -> None:
    """Write the model of a manifest to a new file, or none."""
    name = os.fspath(path)
    with Filter() as filter_:
        assembly = Assembly(manifests.parse(text.encode(), name), filter_.store, name)
        with open(path, 'xb', buffering=0) as file:
            try:
                assembly.into(file.fileno())
            except BaseException:
                os.unlink(path)
                raise
