"""Raw bytes that have just arrived, held for who writes them at once."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

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


def test_there_is_room_for_so_much_until_all_is_cleared() -> None:
    recent = Recent(100)
    one, two = Oid('sha256:1'), Oid('sha256:2')
    recent.add(one, filled(recent, b'1' * 60))
    assert recent.reserve(41) is None
    recent.add(two, filled(recent, b'2' * 40))
    first = recent.pop(one)
    assert first is not None
    assert recent.pop(one) is None
    recent.clear()
    assert recent.pop(two) is None
    filled(recent, b'3' * 100)
    assert bytes(first) == b'1' * 60        # somebody is about to write it


@pytest.mark.parametrize('nbytes', [-1, 0, 1, (8 << 20) + 1])
def test_no_room_is_made(nbytes: int) -> None:
    assert Recent(0).reserve(nbytes) is None
    is_one = nbytes == 1
    assert (Recent(1 << 30).reserve(nbytes) is not None) == is_one


def test_what_arrives_is_held_by_who_asked_for_it(tmp_path: Path) -> None:
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
        assert file.room is not None and bytes(file.room) == DATA
    assert store.read(OID) == DATA


def test_what_has_begun_to_come_goes_on(tmp_path: Path) -> None:
    with incoming(tmp_path, OID, len(DATA)) as file:
        file.write(memoryview(DATA[:1_234_567]))
    with incoming(tmp_path, OID, len(DATA), Recent(len(DATA))) as file:
        assert (file.done, file.room) == (1_234_567, None)


def test_what_has_no_room_is_a_file(tmp_path: Path) -> None:
    recent = Recent(len(DATA) - 1)
    with incoming(tmp_path, OID, len(DATA), recent) as file:
        file.write(memoryview(DATA))
        assert file.room is None
        assert len(list((tmp_path / 'tmp').iterdir())) == 1
    with incoming(tmp_path, OID, len(DATA), recent) as file:
        assert file.is_whole()


def test_what_is_asked_for_next_has_room(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.recent.room = len(DATA)
    store.recent.add(OID, filled(store.recent, DATA))
    store.gather([OID])
    assert store.recent.pop(OID) is None
    assert store.recent.reserve(len(DATA)) is not None
