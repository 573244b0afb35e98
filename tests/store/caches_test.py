"""What is remembered is only ever a saving."""
from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from git_model_driver.store.cache import Cache
from git_model_driver.store.statcache import StatCache

SECOND = 1_000_000_000
OLD = 1_700_000_000 * SECOND
EIGHT = (1.5, -0.0, float('inf'), 1e-300, 2.0, 3.0, 4.0, 5.0)


def stat(**changes: int) -> Any:
    return SimpleNamespace(**{
        'st_size': 9, 'st_mtime_ns': OLD + 5, 'st_ctime_ns': OLD + 6, 'st_ino': 7,
        **changes,
    })


@pytest.fixture
def cache(tmp_path: Path) -> StatCache:
    return StatCache(tmp_path / 'clean')


def test_a_file_that_is_still_the_same_is_known(cache: StatCache) -> None:
    manifest = b'git-model manifest v1\nwith\nlines\n'
    assert cache.get('a', stat()) is None
    cache.put('a', stat(), cache.clock(), manifest)
    assert cache.get('a', stat()) == manifest
    cache.put('a', stat(), cache.clock(), b'another')
    assert cache.get('a', stat()) == b'another'
    assert len(os.listdir(cache.folder)) == 1


@pytest.mark.parametrize('field', ['st_size', 'st_mtime_ns', 'st_ctime_ns', 'st_ino'])
def test_a_file_with_another_stat_is_not_known(cache: StatCache, field: str) -> None:
    cache.put('a', stat(), cache.clock(), b'text')
    changed = stat(**{field: getattr(stat(), field) + 1})
    assert cache.get('a', changed) is None
    assert cache.get('b', stat()) is None


@pytest.mark.parametrize('path', ['a b', 'é', '../../x', '-', 'a\nb', '\udcff'])
def test_any_path_can_be_remembered(cache: StatCache, path: str) -> None:
    cache.put(path, stat(), cache.clock(), b'text')
    assert cache.get(path, stat()) == b'text'
    assert {file.parent for file in cache.folder.rglob('*')} == {cache.folder}


@pytest.mark.parametrize(('mtime', 'ctime', 'kept'), [
    (-1, -1, False),            # written in the tick in which it was read
    (+1, +1, False),            # from the future
    (-1, OLD, False),
    (OLD, -1, False),           # its time was set back by hand
    (-10_000_000, -10_000_000, False),
    (-2 * SECOND, -2 * SECOND, True),
    (OLD, OLD, True),
])
def test_a_file_just_written_is_not_trusted(
    cache: StatCache, tmp_path: Path, mtime: int, ctime: int, kept: bool,
) -> None:
    (tmp_path / 'now').touch()
    now = (tmp_path / 'now').stat().st_mtime_ns
    times = [t + 1 if t == OLD else (now + t) | 1 for t in (mtime, ctime)]
    times = [t + (t % SECOND == 0) for t in times]
    found = stat(st_mtime_ns=times[0], st_ctime_ns=times[1])
    cache.put('a', found, cache.clock(), b'text')
    assert (cache.get('a', found) is not None) == kept
    assert len(os.listdir(cache.folder)) == kept


@pytest.mark.parametrize(('age', 'kept'), [(0, False), (1, False), (3, True)])
def test_times_in_whole_seconds_are_trusted_later(
    cache: StatCache, tmp_path: Path, age: int, kept: bool,
) -> None:
    (tmp_path / 'now').touch()
    second = (tmp_path / 'now').stat().st_mtime_ns // SECOND - age
    found = stat(st_mtime_ns=second * SECOND, st_ctime_ns=second * SECOND)
    cache.put('a', found, cache.clock(), b'text')
    assert (cache.get('a', found) is not None) == kept


@pytest.mark.parametrize('damage', [b'', b'\n', b'[]\ntext', b'{', b'\xff\xfe', b'1\n'])
def test_a_damaged_entry_is_as_good_as_none(cache: StatCache, damage: bytes) -> None:
    cache.put('a', stat(), cache.clock(), b'text')
    file, = cache.folder.iterdir()
    file.write_bytes(damage)
    assert cache.get('a', stat()) is None
    cache.put('a', stat(), cache.clock(), b'text')
    assert cache.get('a', stat()) == b'text'


def test_an_entry_cut_short_is_as_good_as_none(cache: StatCache) -> None:
    """As a power failure may leave it: a part of a manifest is no manifest."""
    cache.put('a', stat(), cache.clock(), b'git-model manifest v1\nand\nmore\n')
    file, = cache.folder.iterdir()
    data = file.read_bytes()
    for size in range(len(data)):
        file.write_bytes(data[:size])
        assert cache.get('a', stat()) is None
    file.write_bytes(data[:-9] + bytes(9))
    assert cache.get('a', stat()) is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('no folder')
    cache = StatCache(tmp_path / 'file')
    cache.put('a', stat(), cache.clock(), b'text')
    assert cache.get('a', stat()) is None


def test_numbers_are_remembered_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'numbers.sqlite'
    Cache(path).put({'a': EIGHT, 'b': [0.0] * 8})
    Cache(path).put({})
    found = Cache(path).get('a')
    assert found is not None and list(map(repr, found)) == list(map(repr, EIGHT))
    assert Cache(path).get('c') is None


@pytest.mark.filterwarnings('ignore::ResourceWarning')
@pytest.mark.parametrize('content', [
    b'no database at all' * 99, b'SQLite format 3\0' + bytes(5000), b'\xff',
])
def test_a_damaged_database_is_harmless(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'numbers.sqlite'
    path.write_bytes(content)
    cache = Cache(path)
    cache.put({'a': EIGHT})
    assert cache.get('a') is None or cache.get('a') == EIGHT


def test_a_database_damaged_later_is_harmless(tmp_path: Path) -> None:
    path = tmp_path / 'numbers.sqlite'
    Cache(path).put({f'{i}': EIGHT for i in range(2000)})
    data = bytearray(path.read_bytes())
    for at in range(100, len(data), 512):
        data[at:at + 16] = b'\xff' * 16
    path.write_bytes(data)
    cache = Cache(path)
    assert all(cache.get(f'{i}') in (None, EIGHT) for i in range(0, 2000, 50))
    cache.put({'new': EIGHT})


@pytest.mark.parametrize('value', ["'text'", "x'00'", 'NULL', '17'])
def test_a_damaged_value_is_as_good_as_none(tmp_path: Path, value: str) -> None:
    path = tmp_path / 'numbers.sqlite'
    Cache(path)
    database = sqlite3.connect(path)
    database.execute(f"INSERT INTO eight_numbers VALUES ('a', {value})")
    database.commit()
    database.close()
    assert Cache(path).get('a') is None


def test_a_database_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('no folder')
    (tmp_path / 'folder').mkdir()
    for path in (tmp_path / 'file' / 'x.sqlite', tmp_path / 'folder'):
        cache = Cache(path)
        cache.put({'a': EIGHT})
        assert cache.get('a') is None


def test_a_file_written_just_before_a_long_reading_is_not_trusted(
    cache: StatCache,
) -> None:
    began = cache.clock()
    found = stat(st_mtime_ns=began - 1_000_001, st_ctime_ns=began - 1_000_001)
    # The reading took a second: by now the time of the file looks old.
    os.utime(cache.folder, ns=(began + SECOND, began + SECOND))
    cache.put('a', found, began, b'text')
    assert cache.get('a', found) is None
    cache.put('a', found, began + SECOND, b'text')
    assert cache.get('a', found) == b'text'


def test_a_clock_that_cannot_be_read_means_too_new(tmp_path: Path) -> None:
    (tmp_path / 'clean').write_text('a file')
    blind = StatCache(tmp_path / 'clean')
    assert blind.clock() == 0
    blind.put('a', stat(), blind.clock(), b'text')
    assert blind.get('a', stat()) is None


@pytest.mark.parametrize(('mtime', 'ctime', 'kept'), [
    (OLD + 5, OLD + 6, False),                      # it has its name since just now
    (OLD + 5, OLD + 30_000_000, True),
    (OLD, OLD + 30_000_000, False),                 # times without fractions
    (OLD, OLD + 3 * SECOND, True),
])
def test_a_file_that_we_wrote_is_remembered_if_writing_took_a_while(
    cache: StatCache, mtime: int, ctime: int, kept: bool,
) -> None:
    status = stat(st_mtime_ns=mtime, st_ctime_ns=ctime)
    cache.put_written('a', status, b'text')
    assert cache.get('a', status) == (b'text' if kept else None)


def test_what_an_earlier_version_remembered_is_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / 'numbers.sqlite'
    database = sqlite3.connect(path)
    database.execute('CREATE TABLE numbers (key TEXT PRIMARY KEY, value BLOB)')
    database.execute("INSERT INTO numbers VALUES ('a', ?)", (bytes(56),))
    database.commit()
    assert Cache(path).get('a') is None
    Cache(path).put({'a': EIGHT})
    assert Cache(path).get('a') == EIGHT
    tables = database.execute('SELECT name FROM sqlite_master').fetchall()
    assert tables == [('eight_numbers',)]
    database.close()
