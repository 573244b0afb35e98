"""Packs as they come over a connection: read as git writes them, or refused."""
from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.git.packs import BLOB
from git_model_driver.git.packs import PackWriter
from git_model_driver.git.packstream import Difference
from git_model_driver.git.packstream import PackStream
from tests.testing.properties import PROPERTY
from tests.testing.repository import Git

CONTENTS = [b'', b'x', b'ab' * 40_000, bytes(range(256)) * 300]


def cut(data: bytes, size: int) -> Iterator[memoryview]:
    for start in range(0, len(data), size):
        yield memoryview(data)[start:start + size]


def read(data: bytes, size: int = 1 << 16) -> list[bytes]:
    return [b''.join(blob.pieces) for blob in PackStream(cut(data, size)).blobs()]


@pytest.fixture(scope='module')
def pack(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp('pack')
    with PackWriter(folder, 'sha1', len(CONTENTS)) as writer:
        for content in CONTENTS:
            writer.add(BLOB, len(content), [content])
    file, = folder.glob('*.pack')
    return file.read_bytes()


@pytest.mark.parametrize('size', [1, 7, 4096, 1 << 20])
def test_what_is_packed_is_read_again(pack: bytes, size: int) -> None:
    assert read(pack, size) == CONTENTS


@pytest.mark.parametrize('level', [0, 1, 9])
def test_packs_of_git_are_read(tmp_path: Path, level: int) -> None:
    git = Git(tmp_path)
    git.git('init', '-q', '--bare')
    names = [
        git.git('hash-object', '-w', '--stdin', input=content).strip()
        for content in CONTENTS
    ]
    command = ('git', '-c', f'pack.compression={level}', 'pack-objects', '--stdout',
               '-q', '--window=0')
    done = subprocess.run(command, cwd=tmp_path, input='\n'.join(names).encode(),
                          capture_output=True, check=True)
    assert sorted(read(done.stdout, 1000)) == sorted(CONTENTS)


def test_differences_are_told_apart(tmp_path: Path) -> None:
    git = Git(tmp_path)
    git.git('init', '-q', '--bare')
    content = bytes(range(256)) * 40
    names = [
        git.git('hash-object', '-w', '--stdin', input=content + end).strip()
        for end in (b'', b'and more')
    ]
    done = subprocess.run(('git', 'pack-objects', '--stdout', '-q'), cwd=tmp_path,
                          input='\n'.join(names).encode(), capture_output=True,
                          check=True)
    with pytest.raises(Difference):
        read(done.stdout)


def test_every_cut_is_noticed(pack: bytes) -> None:
    end = len(pack) - 20        # the sum is not looked at
    for length in [*range(64), *range(64, end, 997), end - 1]:
        with pytest.raises((EOFError, ValueError)):
            read(pack[:length])


@PROPERTY
@given(st.data())
def test_no_damage_raises_anything_else(pack: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(pack) - 21))
    damaged = bytearray(pack)
    damaged[place] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(damaged))
    except (EOFError, ValueError):
        return
    assert sum(map(len, found)) <= sum(map(len, CONTENTS))


def test_an_object_longer_than_announced_is_refused() -> None:
    import struct
    import zlib

    bomb = zlib.compress(bytes(50 << 20))
    pack = b'PACK' + struct.pack('>II', 2, 1) + bytes([BLOB << 4 | 5]) + bomb
    with pytest.raises(ValueError, match='not as long'):
        read(pack)
