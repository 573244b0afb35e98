"""The two files of a checkpoint: P.index, and P.data-00000-of-00001 (or several).

The index says what lies where in the data, and the checksum of each tensor. Either
file is read with the other beside it, so that both manifests have the same tensors
and are merged alike, each by itself; a checksum that does not hold shows that the
two are not of one save, and the file is kept opaque. The graph of the objects that
were saved is no tensor: its order differs between two exports of one model.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from typing import Optional

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Checksum
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Proof
from git_model_driver.core.layout import Tensor
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.skeleton import Builder
from git_model_driver.core.skeleton import RangeSum
from git_model_driver.core.skeleton import Slot
from git_model_driver.core.skeleton import SumOf
from git_model_driver.formats.base import Source
from git_model_driver.formats.base import name_of
from git_model_driver.formats.base import sibling
from git_model_driver.formats.tensorflow import bundle
from git_model_driver.formats.tensorflow import names
from git_model_driver.formats.tensorflow import table
from git_model_driver.formats.tensorflow.bundle import Bundle
from git_model_driver.formats.tensorflow.bundle import Variable

_DATA = re.compile(r'(.+)\.data-(\d{5})-of-(\d{5})', re.DOTALL)
_INDEX = '.index'
_LONGEST_INDEX = 1 << 28
_LONGEST_GRAPH = 1 << 26

Find = Callable[[str], Optional[Source]]        # a file beside this one


class Index(NamedTuple):
    """An index, with a name for each variable."""

    stem: str
    bundle: Bundle
    labels: dict[bytes, str]

    def file(self, shard: int) -> str:
        return f'{self.stem}.data-{shard:05d}-of-{self.bundle.shards:05d}'

    @property
    def variables(self) -> list[Variable]:
        return [v for v in self.bundle.variables if v.key != names.GRAPH]

    def tensor(self, variable: Variable, file: str = '') -> Tensor:
        name = self.labels[variable.key]
        return Tensor(name, variable.dtype, variable.shape, variable.extent, (), file)


def read_data(source: Source, form: str) -> Layout:
    matched = _DATA.fullmatch(name_of(source))
    beside = sibling(source, matched[1] + _INDEX) if matched else None
    if matched is None or beside is None:
        raise FormatError('no data of a checkpoint with its index')
    shard, shards = int(matched[2]), int(matched[3])

    def find(file: str) -> Source | None:
        return source if file == matched[0] else sibling(source, file)

    index = _index(beside, matched[1], find)
    if index.bundle.shards != shards:
        raise FormatError('the index is of another number of files')
    variables = [v for v in index.variables if v.shard == shard]
    tensors = tuple(index.tensor(variable) for variable in variables)
    return Layout(form, len(source), tensors, {}, (), _proofs(index, variables))


def read_index(source: Source, form: str) -> Layout:
    name = name_of(source)
    if not name.endswith(_INDEX):
        raise FormatError('no index of a checkpoint')

    def find(file: str) -> Source | None:
        return sibling(source, file)

    index = _index(source, name.removesuffix(_INDEX), find)
    tensors, checksums = [], []
    for variable in index.variables:
        file = index.file(variable.shard)
        beside = find(file)
        if beside is None or variable.extent.end > len(beside):
            raise FormatError('an index without its data')
        tensor = index.tensor(variable, file)
        tensors.append(tensor)
        checksums.append(Checksum(
            variable.kind, variable.extent, variable.checksum_at, tensor.name,
        ))
    for start, end in {variable.block for variable in index.variables}:
        checksums.append(Checksum('crc32c', Extent(start, end + 1 - start), end + 1))
    proofs = _proofs(index, index.variables)
    return Layout(form, len(source), tuple(tensors), {}, tuple(checksums), proofs)


def _index(source: Source, stem: str, find: Find) -> Index:
    if len(source) > _LONGEST_INDEX:
        raise FormatError('an index that is too long')
    found = bundle.read(bytes(source[0:len(source)]))
    index = Index(stem, found, {})
    keys = [variable.key for variable in found.variables]
    graph = _graph(index, find)
    return index._replace(labels=names.labels(keys, graph))


def _graph(index: Index, find: Find) -> bytes:
    for variable in index.bundle.variables:
        if variable.key == names.GRAPH and variable.extent.length <= _LONGEST_GRAPH:
            data = find(index.file(variable.shard))
            if data is None:
                raise FormatError('an index without its data')
            extent = variable.extent
            return names.content(bytes(data[extent.offset:extent.end]))
    return b''


def _proofs(index: Index, variables: list[Variable]) -> tuple[Proof, ...]:
    return tuple(
        Proof(index.labels[v.key], v.kind, v.checksum) for v in variables
    )


# --- Written anew ------------------------------------------------------------

def _in_order(manifest: Manifest) -> list[Entry]:
    """The tensors by their keys. Raises FormatError where those are not known."""
    entries = sorted(manifest.tensors.values(), key=lambda e: e.name.encode())
    for entry in entries:
        if entry.dtype == 'BYTES' or entry.extra or entry.name.endswith(']'):
            raise FormatError('only checkpoints of TensorFlow 1 can be written anew')
    return entries


def rebuild_data(manifest: Manifest) -> bytes:
    """The skeleton of one file with all tensors, by their keys."""
    out = Builder()
    for entry in _in_order(manifest):
        if entry.nbytes:
            out.add(Slot(entry.name, entry.nbytes))
    return out.serialize()


def rebuild_index(manifest: Manifest) -> bytes:
    """The skeleton of the index of that file."""
    rows, offset = [(b'', bundle.HEADER)], 0
    for entry in _in_order(manifest):
        row = bundle.packed(entry.dtype, entry.shape, offset, entry.nbytes)
        rows.append((entry.name.encode(), row))
        offset += entry.nbytes
    written = table.write(rows)
    places: list[tuple[int, SumOf | RangeSum]] = []
    for variable in bundle.read(written).variables:
        name, (start, end) = variable.key.decode(), variable.block
        places.append((variable.checksum_at, SumOf(variable.kind, name)))
        places.append((end + 1, RangeSum('crc32c', start, end + 1 - start)))
    out = Builder()
    for at, part in sorted(set(places)):
        out.add(written[out.size:at])
        out.add(part)

    out.add(written[out.size:])
    return out.serialize()
