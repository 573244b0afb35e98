"""Archives written anew for what a merge made of two structures."""
from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from git_model_driver.core.errors import FormatError
from git_model_driver.core.manifest import Blob
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.formats import npz
from git_model_driver.formats import registry
from tests.testing.models import Vault
from tests.testing.models import archive
from tests.testing.models import npy
from tests.testing.models import npz as make
from tests.testing.models import numbered

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
ARRAYS: dict[str, Any] = {
    'w': numbered(3, 4), 'layers.10.w': numpy.arange(5), 'layers.2.w': numbered(0, 3),
    'scalar': numpy.float64(2.5), 'big': numbered(4, dtype='>f8'),
    'F': numpy.asfortranarray(numbered(2, 3)), 'flags': numpy.array([True, False]),
    'text': numpy.array(['é', 'bc']), 'time': numpy.zeros(2, 'M8[ns]'),
    'é/\U0001f600 "x': numbered(2), '': numbered(1),
}


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def rebuilt(vault: Vault, manifest: Manifest) -> bytes:
    """The file that the tensors of the manifest make in an archive of its own."""
    def extent(entry: Entry) -> Iterator[memoryview]:
        with vault.store.open(entry.oid) as file:
            yield from file.chunks()

    skeleton = npz.rebuild(manifest, extent)
    blob = Blob(vault.put(skeleton), len(skeleton))
    return vault.put_together(manifest._replace(skeleton=blob))


@pytest.mark.parametrize('method', [STORED, DEFLATED])
def test_numpy_reads_what_was_written_anew(vault: Vault, method: int) -> None:
    manifest = vault.take_apart(make(method, **ARRAYS))
    data = rebuilt(vault, manifest)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        assert all(i.date_time == (1980, 1, 1, 0, 0, 0) for i in file.infolist())
    loaded = numpy.load(io.BytesIO(data))
    assert set(loaded.files) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert loaded[name].dtype == array.dtype and loaded[name].shape == array.shape
        assert (loaded[name] == array).all()


@pytest.mark.parametrize('method', [STORED, DEFLATED])
def test_what_was_written_anew_has_the_same_tensors(vault: Vault, method: int) -> None:
    manifest = vault.take_apart(make(method, **ARRAYS))
    data = rebuilt(vault, manifest)
    again = vault.around(data)
    assert again.tensors == manifest.tensors and again.format == 'npz'
    assert rebuilt(vault, again) == data


def test_stored_and_compressed_members_may_meet(vault: Vault) -> None:
    one = vault.take_apart(make(STORED, a=numbered(9)))
    two = vault.take_apart(archive(
        {'b.npy': npy(numpy.zeros(99)), 'notes.txt': b'hello' * 9}, DEFLATED))
    three = vault.take_apart(archive({'c.npy': npy(numbered(2)), 'd/': b'', 'e': b'1'}))
    tensors = {**one.tensors, **two.tensors, **three.tensors}
    data = rebuilt(vault, Manifest('npz', None, {}, tensors))
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        assert file.read('notes.txt') == b'hello' * 9 and file.read('e') == b'1'
        assert file.getinfo('b.npy').compress_type == DEFLATED
    assert vault.around(data).tensors == tensors


def test_the_order_of_the_lines_does_not_matter(vault: Vault) -> None:
    manifest = vault.take_apart(make(a=numbered(1), b=numbered(2), c=numbered(3)))
    turned = dict(reversed(manifest.tensors.items()))
    assert rebuilt(vault, manifest._replace(tensors=turned)) == rebuilt(vault, manifest)


def test_an_archive_of_many_members_is_one(vault: Vault) -> None:
    oid = vault.put(b'1234')
    names = [f'layers.{i}' for i in range(70_000)]
    tensors = {name: Entry(name, 'F32', (1,), oid) for name in names}
    skeleton = npz.rebuild(Manifest('npz', None, {}, tensors), lambda entry: [])
    assert skeleton
    some = dict(list(tensors.items())[:300])
    layout = registry.read_any(rebuilt(vault, Manifest('npz', None, {}, some)))
    assert layout and len(layout.tensors) == 300


@pytest.mark.parametrize(('dtype', 'extra'), [
    ('BF16', ()), ('F32', (('unknown', '1'),)), ('F32', (('encoding', 'brotli'),)),
])
def test_what_numpy_cannot_hold_is_refused(
    vault: Vault, dtype: str, extra: tuple[tuple[str, str], ...],
) -> None:
    entry = Entry('w', dtype, (2,), vault.put(b'12345678'), extra)
    with pytest.raises(FormatError):
        rebuilt(vault, Manifest('npz', None, {}, {'w': entry}))


def test_two_tensors_of_one_file_name_are_refused(vault: Vault) -> None:
    entries = {
        'a': Entry('a', 'F32', (1,), vault.put(b'1234')),
        'a.npy': Entry('a.npy', 'BYTES', (5,), vault.put(b'hello')),
    }
    with pytest.raises(FormatError):
        rebuilt(vault, Manifest('npz', None, {}, entries))


@pytest.mark.parametrize('damage', ['bytes', 'end'])
def test_a_damaged_compressed_member_is_a_format_error(
    vault: Vault, damage: str,
) -> None:
    manifest = vault.take_apart(make(DEFLATED, a=numpy.zeros(9999)))
    entry = manifest.tensors['a']
    data = vault.store.read(entry.oid)
    data = b'\xff' * len(data) if damage == 'bytes' else data[:-3]
    extra = dict(entry.extra) | {'bytes': str(len(data))}
    bad = entry._replace(oid=vault.put(data), extra=tuple(extra.items()))
    with pytest.raises(FormatError):
        rebuilt(vault, manifest._replace(tensors={'a': bad}))
