"""Any file comes back bit for bit, whatever it is."""
from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save
from safetensors.numpy import save_file

from tests.testing import repository
from tests.testing.repository import Repo


def safetensors(header: object, data: bytes = b'', padding: bytes = b'') -> bytes:
    text = json.dumps(header).encode() + padding
    return struct.pack('<Q', len(text)) + text + data


def one(dtype: str, shape: list[int], data: bytes) -> bytes:
    info = {'dtype': dtype, 'shape': shape, 'data_offsets': [0, len(data)]}
    return safetensors({'t': info}, data)


def npz(**arrays: object) -> bytes:
    file = io.BytesIO()
    numpy.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def npy(array: object) -> bytes:
    file = io.BytesIO()
    numpy.save(file, array, allow_pickle=True)  # type: ignore[arg-type]
    return file.getvalue()


def odd_files() -> Iterator[tuple[str, bytes]]:
    noise = random.Random(1)
    yield 'empty.safetensors', b''
    yield 'one-byte.safetensors', b'\0'
    yield 'text.safetensors', b'This is no model at all.\n'
    yield 'crlf.safetensors', b'neither\r\nis this\r\n'
    yield 'markers.safetensors', b'<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n'
    good = save({'w': numpy.arange(6, dtype=numpy.float32)}, {'format': 'pt'})
    for n in (1, 7, 8, 9, 40, len(good) - 1):
        yield f'truncated-{n}.safetensors', good[:n]
    yield 'trailing.safetensors', good + b'\0'
    yield 'padded.safetensors', safetensors({}, padding=b' \n\t ')
    yield 'none.safetensors', safetensors({})
    yield 'nan.safetensors', one('F32', [4], struct.pack(
        '<4I', 0x7fc00001, 0xffffffff, 0x7f800001, 0x7f800000,
    ))
    yield 'zeros.safetensors', one('F64', [2], struct.pack('<2d', -0.0, 5e-324))
    yield 'bool.safetensors', one('BOOL', [3], b'\1\0\2')
    yield 'scalar.safetensors', one('I64', [], b'\1' * 8)
    yield 'hollow.safetensors', one('F32', [0, 7], b'')
    for dtype in ('F8_E4M3', 'F8_E5M2', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ'):
        yield f'{dtype}.safetensors', one(dtype, [256], bytes(range(256)))
    yield 'f4.safetensors', one('F4', [4], b'\x12\x34')
    yield 'f6.safetensors', one('F6_E2M3', [2, 2], b'\1\2\3')
    yield 'bf16.safetensors', one('BF16', [65536], bytes(
        byte for i in range(65536) for byte in (i & 255, i >> 8)
    ))
    order = {
        '__metadata__': {'z': '1', 'a': 'b\n"\\ \u2028'},
        'b': {'dtype': 'U8', 'shape': [1], 'data_offsets': [4, 5]},
        'a': {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]},
    }
    yield 'order.safetensors', safetensors(order, b'12345')
    names = ['a b', '', '"', '\\', '\u202e', '\x00', 'имя', '\U0001f600', 'x' * 3000]
    odd = {
        name: {'dtype': 'U8', 'shape': [1], 'data_offsets': [i, i + 1]}
        for i, name in enumerate(names)
    }
    yield 'names.safetensors', safetensors(odd, b'123456789')
    yield 'summary.safetensors', b'# git-model summary: not really\n'
    yield 'plain.npy', npy(numpy.arange(6.0).reshape(2, 3))
    yield 'fortran.npy', npy(numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)))
    yield 'big-endian.npy', npy(numpy.arange(4, dtype='>i4'))
    yield 'text.npy', npy(numpy.array(['ab', 'cde']))
    yield 'objects.npy', npy(numpy.array([{}, None], dtype=object))
    yield 'record.npy', npy(numpy.zeros(2, [('a', 'f4'), ('b', 'i2')]))
    stored = npz(w=numpy.ones(3, numpy.float32), b=numpy.float64(2), n=numpy.int8(3))
    yield 'stored.npz', stored
    yield 'wrong-crc.npz', stored.replace(b'\0\0\x80?', b'\0\0\x80@', 1)
    yield 'cut.npz', stored[:-1]
    yield 'prefixed.npz', b'#!/bin/sh\n' + stored
    file = io.BytesIO()
    numpy.savez_compressed(file, w=numpy.ones(3000))
    yield 'compressed.npz', file.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('note.txt', 'hello')
        archive.writestr('w.npy', npy(numpy.ones(2)))
        archive.writestr('folder/', b'')
    yield 'mixed.npz', file.getvalue()
    yield 'noise.bin', noise.randbytes(3_000_000)
    yield 'flat.bin', bytes(9_000_000)
    yield 'packet.bin', noise.randbytes(65516)
    yield 'packets.bin', noise.randbytes(2 * 65516)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return repository.make(tmp_path / 'repo', '*.safetensors', '*.np[yz]', '*.bin')


def test_every_odd_file_comes_back(repo: Repo) -> None:
    sums = {}
    for name, data in odd_files():
        repo.write(name, data)
        sums[name] = repo.sha256(name)
    repo.commit('all of them')
    assert repo.status() == ''
    for name in sums:
        (repo.path / name).unlink()
    repo.git('checkout', '-q', '.')
    assert {name: repo.sha256(name) for name in sums} == sums
    for name in sums:
        (repo.path / name).touch()
    assert repo.status() == ''
    assert repo.git('model', 'fsck').endswith('all is well\n')


def test_one_unit_in_the_last_place_is_a_change(repo: Repo) -> None:
    values = numpy.full(147_456, 0.1, numpy.float32)
    repo.save('m.safetensors', w=values)
    repo.commit('before')
    values[77] = numpy.nextafter(values[77], numpy.float32(1))
    repo.save('m.safetensors', w=values)
    assert repo.status() == ' M m.safetensors\n'
    repo.commit('after')
    expected = repo.sha256('m.safetensors')
    repo.git('checkout', '-q', 'HEAD~1')
    repo.git('checkout', '-q', 'main')
    assert repo.sha256('m.safetensors') == expected


def test_a_change_beside_a_nan_is_a_change(repo: Repo) -> None:
    values = numpy.array([numpy.nan, numpy.inf, 1e15, 1.0], numpy.float32)
    repo.save('m.safetensors', w=values)
    repo.commit('before')
    values[3] = 5.0
    repo.save('m.safetensors', w=values)
    assert repo.status() == ' M m.safetensors\n'


@pytest.mark.parametrize(
    'count', [2000, pytest.param(100_000, marks=pytest.mark.slow)],
)
def test_many_tensors_come_back(repo: Repo, count: int) -> None:
    tensors = {
        f'model.layers.{i // 100}.experts.{i % 100}.w': numpy.full(2, i, numpy.float32)
        for i in range(count)
    }
    save_file(tensors, repo.path / 'm.safetensors')
    expected = repo.sha256('m.safetensors')
    repo.commit('many')
    (repo.path / 'm.safetensors').unlink()
    repo.git('checkout', '-q', '.')
    assert repo.sha256('m.safetensors') == expected
    assert repo.manifest().count('\ntensor ') == count


def test_a_header_of_50_megabytes_comes_back(repo: Repo) -> None:
    info = {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}
    header = {'__metadata__': {'note': 'x' * 50_000_000}, 'w': info}
    repo.write('m.safetensors', safetensors(header, b'12345678'))
    expected = repo.sha256('m.safetensors')
    repo.commit('long')
    (repo.path / 'm.safetensors').unlink()
    repo.git('checkout', '-q', '.')
    assert repo.sha256('m.safetensors') == expected
