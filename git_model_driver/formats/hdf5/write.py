"""New HDF5 files around given tensors, by h5py; nothing is read from a stranger.

The file is written with holes for the values, read like any other, and its skeleton
taken: contiguous datasets, no times, the oldest layout. The bytes depend on what is
in it alone.
"""
from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.manifest import Entry
from git_model_driver.core.skeleton import Slot
from git_model_driver.formats.hdf5.file import File

_ATTRIBUTE = re.compile(r'(>?)([A-Za-z]+[0-9]*)(?:\[([0-9x]+)\])? (.*)', re.DOTALL)
_NUMBERS = frozenset({
    'I8', 'U8', 'I16', 'U16', 'I32', 'U32', 'I64', 'U64', 'F16', 'F32', 'F64', 'BOOL',
})
Part = bytes | Slot


def parts(
    datasets: Mapping[str, Entry], attributes: Mapping[str, str], walk: Any,
) -> list[Part]:
    """The file in pieces, for tensors by their paths and attributes by ``path@name``.

    ``walk`` reads a file (format.Walk). Raises FormatError where it cannot be.
    """
    try:
        import h5py  # type: ignore[import-untyped]
    except ImportError:
        raise FormatError(
            'a new HDF5 file needs h5py: pip install "git-model-driver[hdf5]"',
        ) from None
    import tempfile  # 5 ms

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'new.h5')
        with h5py.File(path, 'w', libver='earliest') as file:
            for name in sorted(datasets):
                _add_dataset(h5py, file, name, datasets[name])
            for key in sorted(attributes):
                _add_attribute(h5py, file, key, attributes[key])
        with open(path, 'rb') as written:
            return _cut(written.fileno(), datasets, walk)


def _add_dataset(h5py: Any, file: Any, path: str, entry: Entry) -> None:
    extra = dict(entry.extra)
    kind = dtypes.as_numpy(entry.dtype, extra.pop('endian', 'little'))
    if kind is None or kind.kind == 'V' or extra or path.endswith(']'):
        raise FormatError(f"HDF5 files with '{path}' cannot be written anew")
    create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    create.set_layout(h5py.h5d.CONTIGUOUS)
    create.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    create.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    group, _, name = path.rpartition('/')
    h5py.h5d.create(
        file.require_group(group or '/').id, name.encode(),
        h5py.h5t.py_create(kind, logical=True),
        h5py.h5s.create_simple(entry.shape) if entry.shape else (
            h5py.h5s.create(h5py.h5s.SCALAR)
        ), create,
    )


def _add_attribute(h5py: Any, file: Any, key: str, text: str) -> None:
    path, _, name = key.rpartition('@')
    matched = _ATTRIBUTE.fullmatch(text)
    if not name and text.startswith('same as '):
        file[path] = file[text.removeprefix('same as ')]
        return
    value = _value(h5py, *matched.groups()) if matched and name else None
    if value is None:
        raise FormatError(f"HDF5 files with '{key}' cannot be written anew")
    holder = file[path] if path and path in file else file.require_group(path or '/')
    holder.attrs.create(name, value[0], dtype=value[1])


def _value(
    h5py: Any, big: str, word: str, shape: str | None, text: str,
) -> tuple[Any, Any] | None:
    """An attribute's value and its type, or None."""
    import numpy

    items = text if shape is None else json.loads(text)
    if word == 'str':
        kind = h5py.string_dtype()
    elif word.startswith('S') and word[1:].isdecimal():
        kind = numpy.dtype(word)
    elif word in _NUMBERS:
        kind = dtypes.as_numpy(word, 'big' if big else 'little')
        items = json.loads(text)
    else:
        return None
    if shape is None:
        return items, kind
    values = numpy.array(items, object if word == 'str' else kind)
    return values.reshape(dtypes.parse_shape(shape)), kind


def _cut(fd: int, datasets: Mapping[str, Entry], walk: Any) -> list[Part]:
    from git_model_driver.store.source import FileSource

    source = FileSource(fd, 'new.h5')
    found, _ = walk(File(source)).everything()
    places = sorted(
        (t.extent.offset, t.extent.length, datasets[t.name].name)
        for t in found if t.extent.length and t.name in datasets
    )
    out: list[Part] = []
    at = 0
    for offset, length, name in places:
        out += [source[at:offset], Slot(name, length)]
        at = offset + length
    out.append(source[at:len(source)])
    return out
