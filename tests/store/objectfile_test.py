"""One object on disk: these bytes, and no other."""
from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import of_bytes
from git_model_driver.store.codec.form import BYTES
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objectheader import Header
from git_model_driver.store.objectheader import Row
from git_model_driver.store.objectheader import pack
from git_model_driver.store.objects import Store
from tests.testing.properties import PROPERTY

RAW = bytes(range(20))


def made(raw: bytes = RAW, chunk: int = 8) -> bytes:
    """An object file with small chunks."""
    chunks = [raw[i:i + chunk] for i in range(0, len(raw), chunk)]
    rows = [Row(len(piece), xxhash.xxh3_64_intdigest(piece)) for piece in chunks]
    return pack(Header(0, chunk, len(raw)), rows) + raw


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'object'


def opened(path: Path, data: bytes, raw: bytes = RAW) -> ObjectFile:
    path.write_bytes(data)
    return ObjectFile(path, of_bytes(raw))


def head_of(codec: int, nbytes: int) -> bytes:
    head = b'\x89GMO\r\n\x1a\n' + bytes([1, codec, 0, 0])
    return head + struct.pack('<IQ', 1 << 20, nbytes) + bytes(32)


def written(raw: bytes, folder: Path) -> Path:
    store = Store(folder)
    with store.batch() as batch:
        return store.path(batch.put_bytes(raw, BYTES))


@pytest.mark.parametrize('raw', [b'', b'hello', bytes(range(256)) * 3])
def test_a_small_object_is_these_bytes(raw: bytes, tmp_path: Path) -> None:
    table = struct.pack('<QQ', len(raw), xxhash.xxh3_64_intdigest(raw)) if raw else b''
    head = head_of(0, len(raw))
    sum_ = struct.pack('<Q', xxhash.xxh3_64_intdigest(head + table))
    file = written(raw, tmp_path)
    assert file.read_bytes() == head + sum_ + table + raw
    assert file.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize('nbytes', [1 << 10, CHUNK, CHUNK + 1])
def test_an_object_that_does_not_compress_is_these_bytes(
    nbytes: int, tmp_path: Path,
) -> None:
    raw = random.Random(nbytes).randbytes(nbytes)
    chunks = [raw[i:i + CHUNK] for i in range(0, len(raw), CHUNK)]
    sums = [xxhash.xxh3_64_intdigest(chunk) for chunk in chunks]
    table = b''.join(
        struct.pack('<IB3xQQ', len(chunk), 0, sum_, sum_)
        for chunk, sum_ in zip(chunks, sums)
    )
    head = head_of(1, len(raw))
    sum_ = struct.pack('<Q', xxhash.xxh3_64_intdigest(head + table))
    assert written(raw, tmp_path).read_bytes() == head + sum_ + table + raw


HELLO = (
    '89474d4f0d0a1a0a' '01' '00' '0000' '00004000' '0500000000000000'
    '0000000000000000000000000000000000000000000000000000000000000000'
    'bed08772fe3428b3' '0500000000000000' 'fddc625c55e85595' '68656c6c6f'
)


def test_the_first_object_ever_is_still_written_and_read(path: Path) -> None:
    assert made(b'hello', 4 << 20).hex() == HELLO
    with opened(path, bytes.fromhex(HELLO), b'hello') as file:
        assert file.read(0, 99) == b'hello'


@pytest.mark.parametrize('at', range(len(made())))
def test_any_changed_byte_is_found(at: int, path: Path) -> None:
    for change in (1, 0x80, 0xff):
        data = bytearray(made())
        data[at] ^= change
        with pytest.raises(CorruptObject), opened(path, bytes(data)) as file:
            file.verify()


@pytest.mark.parametrize(('at', 'value'), [(8, 2), (9, 7), (10, 0x77)])
def test_what_a_newer_version_wrote_is_not_damaged(
    at: int, value: int, path: Path,
) -> None:
    data = bytearray(made())
    data[at] = value
    table = data[64:64 + 3 * 16]
    struct.pack_into('<Q', data, 56, xxhash.xxh3_64_intdigest(data[:56] + table))
    with pytest.raises(StoreError) as e, opened(path, bytes(data)):
        pass
    assert e.value.message == f"'{path}' was written by a newer git-model"


def test_a_file_of_another_length_is_found(path: Path) -> None:
    data = made()
    for changed in (*(data[:n] for n in range(len(data))), data + b'\0', data * 2):
        with pytest.raises(CorruptObject), opened(path, changed):
            pass


def test_damage_is_told_with_the_object(path: Path) -> None:
    with pytest.raises(CorruptObject) as e, opened(path, b'nothing'):
        pass
    assert e.value.message == f'the object {of_bytes(RAW)} in the store is damaged'
    assert e.value.hints == (
        'see what is affected with "git model fsck", '
        'mend it with "git model fsck --repair"',
    )


def test_damage_in_one_chunk_leaves_the_others_readable(path: Path) -> None:
    data = bytearray(made())
    data[-1] ^= 1
    with opened(path, bytes(data)) as file:
        assert file.read(0, 16) == RAW[:16]
        with pytest.raises(CorruptObject):
            file.read(15, 2)


@pytest.mark.parametrize('chunk', [0, 1, 8, 1 << 31])
@pytest.mark.parametrize('nbytes', [1 << 20, 1 << 40, (1 << 64) - 1])
def test_absurd_lengths_cost_nothing(chunk: int, nbytes: int, path: Path) -> None:
    data = bytearray(made())
    struct.pack_into('<IQ', data, 12, chunk, nbytes)
    with pytest.raises(CorruptObject), opened(path, bytes(data)):
        pass


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=5))
def test_any_part_can_be_read_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, int]],
) -> None:
    path = tmp_path_factory.mktemp('parts') / 'object'
    with opened(path, made()) as file:
        assert file.raw_at and made()[file.raw_at:] == RAW
        for offset, length in parts:
            assert file.read(offset, length) == RAW[offset:offset + length]
        assert b''.join(map(bytes, file.chunks())) == RAW
        for offset, length in parts:
            assert file.read(offset, length) == RAW[offset:offset + length]


def test_no_descriptor_is_left_open(path: Path) -> None:
    before = set(open_descriptors())
    for data in (b'', made()[:70], bytes(64)):
        with pytest.raises(StoreError):
            opened(path, data)
    with opened(path, made()):
        pass
    assert set(open_descriptors()) == before


def open_descriptors() -> Iterator[str]:
    folder = Path('/proc/self/fd')
    if not folder.is_dir():
        pytest.skip('the system does not tell')
    yield from (file.name for file in folder.iterdir() if file.exists())
