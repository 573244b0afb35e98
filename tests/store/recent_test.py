"""What was compared a moment ago, and need not be read again."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import of_bytes
from git_model_driver.store.incoming import incoming
from git_model_driver.store.objects import Store
from git_model_driver.store.recent import Recent

DATA = os.urandom(2_500_000)
OID = of_bytes(DATA)


def filled(recent: Recent, data: bytes) -> memoryview:
    room = recent.reserve(len(data))
    assert room is not None
    room[:] = data
    return room


def test_there_is_room_for_so_much_until_it_is_taken() -> None:
    recent = Recent(100)
    one, two = Oid('sha256:1'), Oid('sha256:2')
    recent.add(one, filled(recent, b'1' * 60))
    assert recent.reserve(41) is None
    recent.add(two, filled(recent, b'2' * 40))
    assert (recent.nbytes(one), recent.nbytes(two)) == (60, 40)
    first, second = recent.pop(one), recent.pop(two)
    assert first is not None and second is not None
    assert recent.pop(one) is None
    assert recent.nbytes(one) is None
    assert one in recent                # it was compared all the same
    filled(recent, b'3' * 100)
    assert (bytes(first), bytes(second)) == (b'1' * 60, b'2' * 40)


def test_without_room_nothing_is_held() -> None:
    recent = Recent()
    assert recent.reserve(1) is None
    recent.add(OID)
    assert OID in recent
    assert recent.pop(OID) is None


def test_what_comes_twice_is_held_once() -> None:
    recent = Recent(10)
    for _ in range(2):
        recent.add(OID, filled(recent, b'12345'))
    assert recent.reserve(1) is None
    recent.pop(OID)
    filled(recent, b'1' * 10)


def test_what_arrives_whole_is_stored_and_held(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.recent.room = len(DATA)
    with incoming(tmp_path, OID, len(DATA), store.recent) as file:
        file.write(memoryview(DATA[:1_234_567]))
        file.restart()
        file.write(memoryview(DATA[:1_100_000]))
        file.write(memoryview(DATA[1_100_000:]))
        assert file.is_whole()
        assert not (tmp_path / 'tmp').exists()      # it is no file
        with store.batch() as batch:
            batch.put_incoming(file)
    file.remove()
    assert store.read(OID) == DATA
    assert OID in store.recent
    held = store.recent.pop(OID)
    assert held is not None and bytes(held) == DATA


def test_what_is_cut_short_makes_room_again(tmp_path: Path) -> None:
    recent = Recent(len(DATA))
    with pytest.raises(ConnectionError), incoming(
        tmp_path, OID, len(DATA), recent,
    ) as file:
        file.write(memoryview(DATA[:1_234_567]))
        raise ConnectionError
    assert OID not in recent
    assert recent.reserve(len(DATA)) is not None


def test_what_has_no_room_is_a_file(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.recent.room = len(DATA) - 1
    with incoming(tmp_path, OID, len(DATA), store.recent) as file:
        file.write(memoryview(DATA))
        assert len(list((tmp_path / 'tmp').iterdir())) == 1
        with store.batch() as batch:
            batch.put_incoming(file)
        file.remove()
    assert store.read(OID) == DATA
    assert store.recent.pop(OID) is None


def test_who_takes_objects_over_knows_what_was_compared(tmp_path: Path) -> None:
    there, here = Store(tmp_path / 'there'), Store(tmp_path / 'here')
    with there.batch() as batch:
        good, bad = batch.put_bytes(b'good' * 999), batch.put_bytes(b'bad' * 999)
    data = bytearray(there.path(bad).read_bytes())
    data[-1] ^= 1
    there.path(bad).chmod(0o644)
    there.path(bad).write_bytes(data)
    with here.batch() as batch, there.open(good) as file:
        batch.take_over(file)
    with pytest.raises(CorruptObject), here.batch() as batch, there.open(bad) as file:
        batch.take_over(file)
    assert good in here.recent
    assert bad not in here.recent
