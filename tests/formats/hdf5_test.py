"""HDF5 files, with h5py as the writer and the judge."""
from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Tensor
from git_model_driver.core.manifest import Entry
from git_model_driver.formats import base
from git_model_driver.formats import registry
from git_model_driver.formats import values
from git_model_driver.formats.hdf5 import format as hdf5
from tests.testing.models import Vault
from tests.testing.repository import Repo


def write(path: Path, step: float = 0, **options: Any) -> bytes:
    """A file with all that Keras and h5py users put in one."""
    with h5py.File(path, 'w', **options) as file:
        file['a/b'] = numpy.arange(6, dtype='f4').reshape(2, 3) + step
        file['a/big'] = numpy.arange(4, dtype='>i4')
        file['c'] = numpy.array([1 + 2j], 'c8')
        file['flags'] = numpy.array([True, False])
        file['half'] = numpy.array([1, 2], 'f2')
        file['s'] = numpy.array([b'ab', b'c'])
        file['text'] = 'variable'
        file['empty'] = numpy.zeros((0, 3))
        file['scalar'] = 1.5
        file['alias'] = file['a/b']
        file.create_dataset('never written', (3,))
        file.create_dataset('null', data=h5py.Empty('f'))
    return path.read_bytes()


def write_chunked(path: Path, step: float = 0, **options: Any) -> bytes:
    with h5py.File(path, 'w') as file:
        values = numpy.arange(1000, dtype='f4').reshape(50, 20) + step
        file.create_dataset('w', data=values, chunks=(16, 16), **options)
    return path.read_bytes()


def layout(data: bytes) -> dict[str, Tensor]:
    return {t.name: t for t in base.read(hdf5, data).tensors}


@pytest.mark.parametrize('options', [
    {}, {'userblock_size': 1024}, {'libver': ('v108', 'v108')},
], ids=['old', 'userblock', '1.8'])
def test_h5py_sees_the_same_tensors(tmp_path: Path, options: Any) -> None:
    path = tmp_path / 'a.h5'
    data = write(path, **options)
    found = layout(data) if 'libver' not in options else None
    if found is None:           # more links than a modern header holds
        with pytest.raises(FormatError, match='fractal heap'):
            layout(data)
        return
    with h5py.File(path) as file:
        for name, tensor in found.items():
            dataset = file[name]
            assert tensor.shape == dataset.shape
            if dataset.size:
                assert tensor.extent.offset == dataset.id.get_offset()
                stored = data[tensor.extent.offset:tensor.extent.end]
                assert stored == dataset[()].tobytes()
    assert {name: t.dtype for name, t in found.items()} == {
        'a/b': 'F32', 'a/big': 'I32', 'alias': 'F32', 'c': 'C64', 'empty': 'F64',
        'flags': 'BOOL', 'half': 'F16', 's': '|S2', 'scalar': 'F64',
    }
    assert found['a/big'].extra == (('endian', 'big'),)
    assert found['alias'].extent == found['a/b'].extent


def test_small_files_of_the_newest_layout(tmp_path: Path) -> None:
    with h5py.File(tmp_path / 'a.h5', 'w', libver='latest') as file:
        file['x'] = numpy.arange(5.)
        file['y/z'] = numpy.ones((2, 2), 'f2')
        file['x'].attrs['k'] = 'v'
    data = (tmp_path / 'a.h5').read_bytes()
    found = base.read(hdf5, data)
    assert {t.name for t in found.tensors} == {'x', 'y/z'}
    assert found.meta == {'x@k': 'str v'}


def test_attributes_are_lines(tmp_path: Path) -> None:
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        group = file.create_group('g')
        group.attrs['int'] = 3
        group.attrs['floats'] = [1.5, 2]
        group.attrs['text'] = 'hé'
        group.attrs['bytes'] = numpy.bytes_('q')
        group.attrs['names'] = numpy.array(['a', 'bc'], 'S2')
        group.attrs['texts'] = ['one', 'two\n']
        group.attrs['true'] = True
        group.attrs['f4'] = numpy.float32(.1)
        group.attrs['none'] = h5py.Empty('f')
        group.attrs['big'] = numpy.array(1, '>i2')
        group.attrs['shaped'] = numpy.zeros((2, 1), 'i1')
        file.attrs['complex'] = 1j
        file['soft'] = h5py.SoftLink('/etc/passwd')
    assert base.read(hdf5, (tmp_path / 'a.h5').read_bytes()).meta == {
        'g@int': 'I64 3', 'g@floats': 'F64[2] [1.5,2.0]', 'g@text': 'str hé',
        'g@bytes': 'S1 q', 'g@names': 'S2[2] ["a","bc"]',
        'g@texts': 'str[2] ["one","two\\n"]', 'g@true': 'BOOL true',
        'g@f4': f'F32 {float(numpy.float32(.1))}', 'g@none': 'F32 null',
        'g@big': '>I16 1', 'g@shaped': 'I8[2x1] [0,0]',
        '@complex': f'bytes {numpy.array(1j).tobytes().hex()}', 'soft@': 'link',
    }


@pytest.mark.parametrize('options', [
    {}, {'compression': 'gzip'}, {'compression': 'gzip', 'shuffle': True},
    {'fletcher32': True},
], ids=['plain', 'gzip', 'shuffle', 'fletcher32'])
def test_each_chunk_is_a_tensor(tmp_path: Path, options: Any) -> None:
    data = write_chunked(tmp_path / 'a.h5', **options)
    vault = Vault(tmp_path)
    manifest = vault.around(data)
    assert len(manifest.tensors) == 8
    entry = manifest.tensors['w[16:32,0:16]']
    if 'fletcher32' in options:
        assert entry.dtype == 'BYTES'
        return
    with vault.store.open(entry.oid) as file:
        stored = b''.join(map(bytes, values.decoded(entry, file.chunks())))
    whole = numpy.arange(1000, dtype='f4').reshape(50, 20)
    assert stored == whole[16:32, :16].tobytes()
    assert entry.shape == (16, 16)


def test_a_chunk_that_holds_too_much() -> None:
    import zlib

    for encoding in ('zlib', 'shuffle-zlib'):
        data = zlib.compress(bytes(1 << 24))
        extra = (('bytes', str(len(data))), ('encoding', encoding))
        entry = Entry('w', 'F32', (4, 4), vault_oid(), extra)
        with pytest.raises(FormatError, match='longer than its shape'):
            list(values.decoded(entry, [data]))


def vault_oid() -> Any:
    return f'sha256:{"0" * 64}'


def test_one_change_is_one_line_and_one_object(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    before = vault.around(write(tmp_path / 'a.h5'))
    after = vault.around(write(tmp_path / 'a.h5', 1))
    changed = {n for n, e in after.tensors.items() if before.tensors[n] != e}
    assert changed == {'a/b', 'alias'}
    assert after.skeleton == before.skeleton


@pytest.mark.parametrize('operation, expected', [
    (('merge', '--no-edit', 'topic'), 15), (('rebase', '-q', 'topic'), 30),
    (('cherry-pick', 'topic'), 30),
])
def test_versions_meet(repo: Repo, operation: tuple[str, ...], expected: float) -> None:
    repo.git('model', 'track', '*.h5')
    path = repo.path / 'm.h5'
    repo.fork(*(lambda s=s: write(path, s) for s in (0, 10, 20)))  # type: ignore[misc]
    repo.git(*operation)
    with h5py.File(path) as file:
        assert (file['a/b'][()] == numpy.arange(6).reshape(2, 3) + expected).all()
        assert file['text'][()] == b'variable'
    assert repo.status() == ''


def test_compressed_on_both_sides_is_a_conflict(repo: Repo) -> None:
    repo.git('model', 'track', '*.h5')
    path = repo.path / 'm.h5'
    repo.fork(*(lambda s=s: write_chunked(path, s, compression='gzip')  # type: ignore[misc]
                for s in (0, 1, 2)))
    said = repo.run('git', 'merge', 'topic', code=1)
    assert "with 'w[0:16,0:16]' cannot be written anew" in said.err


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    samples = [
        write(tmp_path / 'a.h5'),
        write_chunked(tmp_path / 'b.h5', compression='gzip', shuffle=True),
    ]
    random.seed(4)
    for i in range(2000):
        data = bytearray(samples[i % 2])
        for _ in range(random.choice((1, 1, 3))):
            data[random.randrange(len(data))] = random.choice((0, 1, 255, 128))
        found = registry.read_any(bytes(data))
        assert found is None or found.size == len(data)


def test_both_sides_add_a_dataset(repo: Repo) -> None:
    repo.git('model', 'track', '*.h5')
    path = repo.path / 'm.h5'

    def step(**more: Any) -> Callable[[], None]:
        def run() -> None:
            with h5py.File(path, 'w') as file:
                datasets = {'g/w': numpy.arange(6, dtype='>f4'), **more}
                for name, value in datasets.items():
                    file[name] = value
                file['alias'] = file['g/w']
                group = file['g']
                group.attrs['text'], group.attrs['n'] = 'é', numpy.int32(3)
                group.attrs['names'] = numpy.array(['a', 'bc'], 'S2')
                group.attrs['texts'] = ['x', 'y']
                file.attrs['flags'] = numpy.array([[True, False]])

        return run

    repo.fork(step(), step(ours=numpy.ones((2, 2))), step(theirs=numpy.bool_(True)))
    repo.git('merge', '--no-edit', 'topic')
    assert repo.status() == ''
    with h5py.File(path) as file:
        assert sorted(file) == ['alias', 'g', 'ours', 'theirs']
        assert (file['g/w'][()] == numpy.arange(6)).all() and file['theirs'][()]
        assert file['alias'] == file['g/w'] and (file['ours'][()] == 1).all()
        attrs = dict(file['g'].attrs)
        assert attrs['text'] == 'é' and attrs['n'] == 3
        assert attrs['names'].tolist() == [b'a', b'bc']
        assert attrs['texts'].tolist() == ['x', 'y']
        assert file.attrs['flags'].tolist() == [[True, False]]
