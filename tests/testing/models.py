"""Model files in memory: made by hand, taken apart and put together again."""
from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy
from safetensors.numpy import save

from git_model_driver.core import manifest as manifests
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.filters.clean import take_apart
from git_model_driver.filters.smudge import Assembly
from git_model_driver.store.objects import Store
from git_model_driver.store.source import FileSource


class Sink:
    """Takes a file's bytes into memory."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def data(self, data: bytes | memoryview) -> None:
        self.taken += data

    def file(self, fd: int, offset: int, length: int) -> None:
        self.taken += os.pread(fd, length, offset)


class Vault:
    """A store in a folder, and the two ways through it."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / 'store')
        self.file = folder / 'model'

    def take_apart(self, data: bytes) -> Manifest:
        self.file.write_bytes(data)
        # Nothing here must survive a power failure.
        with open(self.file, 'rb') as file, mock.patch('os.fsync'):
            return take_apart(FileSource(file.fileno(), 'model'), self.store)

    def put_together(self, manifest: Manifest) -> bytes:
        assembly = Assembly(manifest, self.store)
        assembly.check()
        sink = Sink()
        assembly.write(sink)
        return bytes(sink.taken)

    def around(self, data: bytes) -> Manifest:
        """The manifest of a file, once it is known to come back from it."""
        manifest = self.take_apart(data)
        text = manifests.serialize(manifest)
        assert manifests.parse(text) == manifest
        assert self.put_together(manifest) == data
        return manifest

    def around_file(self, file: Path) -> Manifest:
        """The same for a file that is read with those beside it."""
        with open(file, 'rb') as opened, mock.patch('os.fsync'):
            source = FileSource(opened.fileno(), file.name, str(file.parent))
            manifest = take_apart(source, self.store)
            source.close_siblings()
        assert self.put_together(manifest) == file.read_bytes()
        return manifest

    def put(self, data: bytes) -> Oid:
        with mock.patch('os.fsync'), self.store.batch() as batch:
            return batch.put_bytes(data)

    def entry(
        self, name: str, dtype: str, array: Any, *extra: tuple[str, str],
    ) -> Entry:
        """A tensor in the store, its bytes as the array has them."""
        oid = self.put(array.tobytes())
        return Entry(name, dtype, array.shape, oid, extra)


def safetensors(header: bytes | str | Mapping[str, Any], data: bytes = b'') -> bytes:
    """A safetensors file with that header, however wrong it is."""
    if isinstance(header, Mapping):
        header = json.dumps(header, separators=(',', ':'))
    text = header.encode() if isinstance(header, str) else header
    return struct.pack('<Q', len(text)) + text + data


def info(dtype: str, shape: Iterable[int], start: int, end: int) -> dict[str, object]:
    """A tensor in the header of a safetensors file."""
    return {'dtype': dtype, 'shape': list(shape), 'data_offsets': [start, end]}


def npy(array: Any, version: tuple[int, int] | None = None) -> bytes:
    out = io.BytesIO()
    numpy.lib.format.write_array(out, numpy.asanyarray(array), version)
    return out.getvalue()


def npy_by_hand(header: str, data: bytes = b'', version: int = 1) -> bytes:
    text = header.encode('utf-8' if version == 3 else 'latin-1')
    length = struct.pack('<H' if version == 1 else '<I', len(text))
    return b'\x93NUMPY' + bytes([version, 0]) + length + text + data


class Stream(io.RawIOBase):
    """A file that cannot seek: zipfile then writes data descriptors."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written += data
        return len(data)


def archive(
    members: Mapping[str, bytes] | Iterable[tuple[str, bytes]],
    method: int = zipfile.ZIP_STORED, *,
    zip64: bool = False, stream: bool = False, comment: bytes = b'',
) -> bytes:
    """A ZIP archive in which nothing depends on the time."""
    pairs = members.items() if isinstance(members, Mapping) else members
    seekable = io.BytesIO()
    unseekable = Stream()
    with zipfile.ZipFile(unseekable if stream else seekable, 'w', method) as file:
        file.comment = comment
        for name, data in pairs:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            with file.open(entry, 'w', force_zip64=zip64) as member:
                member.write(data)
    return bytes(unseekable.written) if stream else seekable.getvalue()


def npz(method: int = zipfile.ZIP_STORED, **arrays: Any) -> bytes:
    return archive({f'{k}.npy': npy(v) for k, v in arrays.items()}, method)


def numbered(*shape: int, dtype: Any = 'float32', seed: int = 0) -> Any:
    """Normally distributed values, the same in every run."""
    values = numpy.random.default_rng(seed).standard_normal(shape)
    return values.astype(dtype)


# One file of each kind that there is, small enough to be mutated many times.
SAMPLES: dict[str, Callable[[], bytes]] = {
    'safetensors': lambda: save({
        'layers.2.w': numbered(3, 5), 'layers.10.w': numbered(4, seed=1),
        'b': numpy.arange(3), 'empty': numbered(0, 2), 'scalar': numbered(dtype='f8'),
    }, {'format': 'pt'}),
    'safetensors in another order': lambda: safetensors(
        {'__metadata__': {'b': '1', 'a': '2'}, 'z': info('U8', [2], 0, 2),
         'a': info('F4', [2, 4], 2, 6)}, b'abcdef'),
    'npy': lambda: npy(numbered(3, 4)),
    'npy in Fortran order': lambda: npy(numpy.asfortranarray(numbered(3, 4))),
    'npy of version 2': lambda: npy(numbered(7, dtype='>f8'), (2, 0)),
    'npz': lambda: npz(w=numbered(3, 4), b=numpy.arange(5), e=numbered(0)),
    'npz, compressed': lambda: npz(zipfile.ZIP_DEFLATED, w=numpy.ones((30, 4)),
                                   b=numbered(5)),
    'npz with a stream\'s descriptors': lambda: archive(
        {'w.npy': npy(numbered(3)), 'readme.txt': b'hello'}, stream=True),
    'npz of 64 bits': lambda: archive(
        {'w.npy': npy(numbered(3)), 'x/': b''}, zip64=True, comment=b'a comment'),
    'text': lambda: b'no model at all\n' * 9,
    'one byte': lambda: b'\x93',
}
