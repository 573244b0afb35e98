"""A file taken apart and put together again is the file, whatever it was."""
from __future__ import annotations

import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from git_model_driver.core import manifest as manifests
from git_model_driver.core.manifest import Manifest
from tests.testing.models import SAMPLES
from tests.testing.models import Vault
from tests.testing.models import archive
from tests.testing.models import info
from tests.testing.models import npy
from tests.testing.models import npz
from tests.testing.models import numbered
from tests.testing.models import safetensors
from tests.testing.properties import FEW

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
CANONICAL = ('safetensors', 'npy', 'npy in Fortran order')


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


@pytest.mark.parametrize('name', SAMPLES)
def test_a_sound_file_comes_back(name: str, vault: Vault) -> None:
    manifest = vault.around(SAMPLES[name]())
    assert (manifest.format == 'opaque') == (name in ('text', 'one byte'))
    assert bool(manifest.skeleton or manifest.chunks) == (name not in CANONICAL)


@pytest.mark.parametrize('name', SAMPLES)
def test_a_damaged_file_comes_back(name: str, vault: Vault) -> None:
    """Bytes changed, cut out, doubled or moved, at a place that a seed gives."""
    chance = random.Random(name)
    original = SAMPLES[name]()
    formats = set()
    for _ in range(300):
        data = bytearray(original)
        for _ in range(chance.randint(1, 2)):
            _mutate(data, chance)
        if data:
            formats.add(vault.around(bytes(data)).format)
    assert 'opaque' in formats


def _mutate(data: bytearray, chance: random.Random) -> None:
    at, other = (chance.randrange(len(data) + 1) for _ in range(2))
    length = chance.choice((1, 1, 2, 4, 8, 40))
    kind = chance.choice(('flip', 'flip', 'set', 'cut', 'insert', 'copy', 'end'))
    if kind == 'flip' and at < len(data):
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 'set':
        data[at:at + length] = chance.choice((b'\0', b'\xff', b'9', b'"')) * length
    elif kind == 'cut':
        del data[at:at + length]
    elif kind == 'insert':
        data[at:at] = chance.randbytes(length)
    elif kind == 'copy':
        data[at:at + length] = data[other:other + length]
    else:
        del data[at:]


@pytest.mark.parametrize('name', ['safetensors', 'npy', 'npz'])
def test_a_file_cut_off_anywhere_comes_back(name: str, vault: Vault) -> None:
    data = SAMPLES[name]()
    step = max(1, len(data) // 150)
    for size in range(1, len(data), step):
        assert vault.around(data[:size]).format in ('opaque', 'safetensors')


@FEW
@given(st.binary(min_size=1, max_size=200) | st.builds(
    bytes.__add__, st.sampled_from([b'PK\3\4', b'PK\5\6', b'\x93NUMPY\1\0',
                                    struct.pack('<Q', 2), b'git-model skeleton v1\n']),
    st.binary(max_size=90)))
def test_any_bytes_come_back(tmp_path_factory: pytest.TempPathFactory,
                             data: bytes) -> None:
    Vault(tmp_path_factory.mktemp('any')).around(data)


FLOATS = ('float16', 'float32', 'float64', 'bfloat16', 'float8_e4m3fn', 'float8_e5m2')


def odd_values(dtype: str) -> Any:
    """Every NaN, both zeros, infinities and subnormals of 16 bits or fewer."""
    found = numpy.dtype(getattr(ml_dtypes, dtype, dtype))
    if found.itemsize <= 2:
        every = numpy.arange(1 << (8 * found.itemsize), dtype=f'u{found.itemsize}')
        return every.view(found)
    bits = {4: [0x7fc00001, 0xffc12345, 0x7f800001, 0x80000000, 1, 0x007fffff,
                0x7f800000, 0xff800000],
            8: [0x7ff8000000000001, 0x7ff0000000000001, 1 << 63, 1, 0xfff << 52]}
    return numpy.array(bits[found.itemsize], f'u{found.itemsize}').view(found)


@pytest.mark.parametrize('dtype', FLOATS)
def test_odd_values_come_back_bit_for_bit(dtype: str, vault: Vault) -> None:
    values = odd_values(dtype)
    manifest = vault.around(save({'w': values}))
    assert manifest.format == 'safetensors' and manifest.skeleton is None
    if hasattr(numpy, dtype):
        vault.around(npy(values))
        vault.around(npz(w=values))
        vault.around(npz(DEFLATED, w=values))


ODD_ARCHIVES: dict[str, Callable[[], bytes]] = {
    'a wrong CRC': lambda: npz(w=numbered(2)).replace(
        struct.pack('<I', zlib.crc32(npy(numbered(2)))), b'1234'),
    'a wrong CRC in the directory alone': lambda: _second(
        npz(w=numbered(2)), struct.pack('<I', zlib.crc32(npy(numbered(2))))),
    'a file in front': lambda: b'#!/bin/sh\n' + npz(w=numbered(2)),
    'something behind': lambda: npz(w=numbered(2)) + b'\n',
    'an archive in an archive': lambda: archive({
        'a.npz': npz(w=numbered(2)), 'b.npy': npy(numbered(2))}),
    'descriptors': lambda: archive({'w.npy': npy(numbered(3))}, stream=True),
    'compressed descriptors': lambda: archive(
        {'w.npy': npy(numbered(3)), 'e': b''}, DEFLATED, stream=True),
    'zip64 descriptors': lambda: archive(
        {'w.npy': npy(numbered(3))}, zip64=True, stream=True),
    'members of no bytes': lambda: archive({'w.npy': npy(numbered(3)), 'a': b'',
                                            'b': b'', 'c/': b''}),
    'bzip2': lambda: archive({'w.npy': npy(numbered(3))}, zipfile.ZIP_BZIP2),
}


def _second(data: bytes, old: bytes) -> bytes:
    head, _, tail = data.rpartition(old)
    return head + b'1234' + tail


@pytest.mark.parametrize('case', ODD_ARCHIVES)
def test_odd_archives_come_back(case: str, vault: Vault) -> None:
    vault.around(ODD_ARCHIVES[case]())


def test_a_crc_that_is_wrong_stays_wrong(vault: Vault) -> None:
    data = ODD_ARCHIVES['a wrong CRC']()
    assert data.count(b'1234') == 2
    assert vault.around(data).format == 'npz'


def test_shared_values_are_stored_once_and_come_back(vault: Vault) -> None:
    same = numbered(100)
    manifest = vault.around(save({'a': same, 'b': same, 'c': numbered(100, seed=1)}))
    assert len(set(manifest.oids)) == 2 and len(list(vault.store)) == 2


def test_a_large_file_that_nobody_can_read_comes_back_in_pieces(vault: Vault) -> None:
    data = random.Random(3).randbytes(9 << 20)
    before = vault.around(data)
    after = vault.around(data[:5_000_000] + b'!' + data[5_000_000:])
    assert before.format == after.format == 'opaque'
    assert len(before.chunks) > 4
    assert len(set(after.oids) - set(before.oids)) <= 2


def test_a_tensor_of_many_chunks_comes_back(vault: Vault) -> None:
    data = save({'w': numbered(5 << 20, dtype='f2'), 'b': numbered(3)})
    assert vault.around(data).skeleton is None


SHIFTED = {
    'safetensors': lambda w: save({'w': w, 'b': numpy.arange(3)}, {'a': 'b'}),
    'safetensors, not canonical': lambda w: safetensors(
        {'w': info('F32', w.shape, 0, w.nbytes), 'b': info('U8', [2], w.nbytes,
                                                           w.nbytes + 2)},
        w.tobytes() + b'12'),
    'npy': lambda w: npy(w),
    'npy of version 2': lambda w: npy(w, (2, 0)),
    'npz': lambda w: npz(w=w, b=numpy.arange(3)),
    'npz with descriptors': lambda w: archive(
        {'w.npy': npy(w), 'b.npy': npy(numbered(2))}, stream=True),
    'npz of 64 bits': lambda w: archive(
        {'w.npy': npy(w), 'b.npy': npy(numbered(2))}, zip64=True),
}


@pytest.mark.parametrize('case', SHIFTED)
def test_a_change_of_values_changes_one_line(case: str, vault: Vault) -> None:
    texts = [
        manifests.serialize(vault.around(SHIFTED[case](numbered(3, 4, seed=seed))))
        for seed in (1, 2)
    ]
    before, after = (text.split('\n') for text in texts)
    changed = [pair for pair in zip(before, after) if pair[0] != pair[1]]
    assert len(before) == len(after) and len(changed) == 1
    assert all(line.startswith(('tensor w', 'tensor array')) for line in changed[0])


def test_merged_values_go_into_the_layout_of_their_archive(vault: Vault) -> None:
    """What smudge writes for new values is what NumPy can load: its CRCs are right."""
    one = vault.around(npz(w=numbered(3, 4, seed=1), b=numpy.arange(3)))
    two = vault.around(npz(w=numbered(3, 4, seed=2), b=numpy.arange(3)))
    mixed = Manifest(one.format, one.skeleton, one.meta, dict(two.tensors))
    assert vault.put_together(mixed) == npz(w=numbered(3, 4, seed=2), b=numpy.arange(3))
