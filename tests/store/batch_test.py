"""Writing objects: all together, complete and durable, or not at all."""
from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from git_model_driver.core.errors import Changed
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import of_bytes
from git_model_driver.store.batch import Item
from git_model_driver.store.digest import check_digest
from git_model_driver.store.freshness import is_sealed
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objects import Store
from git_model_driver.store.objectwriter import pieces
from git_model_driver.store.source import BytesSpan
from git_model_driver.store.source import FileSource

MANY = [bytes([i]) * (i * 7) for i in range(60)]
LONG = bytes(CHUNK) + b'more than a chunk'


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / 'store')


def objects(store: Store) -> set[str]:
    return set(store)


def leftovers(store: Store) -> list[str]:
    folder = store.root / 'tmp'
    return os.listdir(folder) if folder.is_dir() else []


def put(store: Store, *contents: bytes) -> list[Oid]:
    with store.batch() as batch:
        return [batch.put_bytes(content) for content in contents]


def test_what_is_put_is_read_again(store: Store) -> None:
    contents = [b'', b'1', LONG, *MANY]
    oids = put(store, *contents)
    assert oids == [of_bytes(content) for content in contents]
    assert [store.read(oid) for oid in oids] == contents
    assert objects(store) == set(oids)
    assert leftovers(store) == []


def test_an_object_has_its_seal_until_somebody_writes_to_it(store: Store) -> None:
    oids = put(store, b'', LONG, *MANY)
    for oid in oids:
        assert is_sealed(store.path(oid).stat(), oid)
    (path, *_), (oid, other) = map(store.path, oids), oids[:2]
    assert not is_sealed(path.stat(), other)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes())
    assert not is_sealed(path.stat(), oid)


def test_an_object_that_is_wanted_again_keeps_its_seal(store: Store) -> None:
    oid, other = put(store, LONG, b'other')
    before = time.time() - 7 * 24 * 3600
    for each in (oid, other):
        ns = store.path(each).stat().st_mtime_ns - 7 * 24 * 3600 * 10 ** 9
        os.utime(store.path(each), ns=(ns, ns + (each is other)))
    assert put(store, LONG, b'other') == [oid, other]
    for each in (oid, other):
        status = store.path(each).stat()
        assert status.st_mtime > before + 6 * 24 * 3600
        assert is_sealed(status, each) is (each is oid)


def test_nothing_is_seen_before_the_end(store: Store) -> None:
    with store.batch() as batch:
        oid = batch.put_bytes(b'hello')
        assert not store.has(oid) and objects(store) == set()
    assert store.has(oid)


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_nothing_behind(
    store: Store, error: type[BaseException],
) -> None:
    with pytest.raises(error), store.batch() as batch:
        for content in (*MANY, LONG):
            batch.put_bytes(content)
        raise error
    assert objects(store) == set()
    assert leftovers(store) == []


def test_what_is_there_is_not_written_again(store: Store) -> None:
    oid, = put(store, b'hello')
    before = store.path(oid).stat()
    put(store, b'hello', b'hello')
    assert store.path(oid).stat() == before
    assert leftovers(store) == []


@pytest.mark.parametrize('contents', [[b'a'], [b'a', LONG], [LONG] * 3, MANY, []])
def test_many_at_once_are_put_in_their_order(
    store: Store, contents: list[bytes],
) -> None:
    with store.batch() as batch:
        oids = batch.put_all([Item(BytesSpan(content)) for content in contents])
    assert oids == [of_bytes(content) for content in contents]
    assert objects(store) == set(oids)
    assert leftovers(store) == []


@pytest.mark.parametrize('content', [b'', b'abc', LONG, LONG * 2])
def test_a_stream_is_an_object_like_any_other(store: Store, content: bytes) -> None:
    expected, = put(Store(store.root.parent / 'other'), content)
    for _ in range(2):
        with store.batch() as batch:
            stream = pieces(BytesSpan(content))
            assert batch.put_stream(len(content), stream) == expected
    assert store.read(of_bytes(content)) == content
    assert leftovers(store) == []


def test_a_stream_that_breaks_leaves_nothing_behind(store: Store) -> None:
    def broken() -> Iterator[memoryview]:
        yield memoryview(bytes(CHUNK))
        raise ValueError

    with pytest.raises(ValueError), store.batch() as batch:
        batch.put_stream(2 * CHUNK, broken())
    assert objects(store) == set() and leftovers(store) == []


def test_threads_may_put_the_same_things(store: Store) -> None:
    with store.batch() as batch:
        threads = [
            threading.Thread(target=lambda: [batch.put_bytes(c) for c in MANY])
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert objects(store) == {of_bytes(content) for content in MANY}
    assert leftovers(store) == []


_PROCESS = '''
import sys
from pathlib import Path
from git_model_driver.store.objects import Store
sys.stdin.readline()
store = Store(Path(sys.argv[1]))
for _ in range(3):
    with store.batch() as batch:
        for i in range(40):
            batch.put_bytes(b'%d' % i * 1000)
'''


def test_processes_may_put_the_same_things(store: Store) -> None:
    command = [sys.executable, '-c', _PROCESS, os.fspath(store.root)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)
    ]
    for process in running:
        assert process.stdin
        process.stdin.write(b'go\n')
        process.stdin.close()
    assert [process.wait(60) for process in running] == [0] * 4
    assert objects(store) == {of_bytes(b'%d' % i * 1000) for i in range(40)}
    for oid in store:
        with store.open(oid) as file:
            check_digest(file)
    assert leftovers(store) == []


def test_a_process_that_dies_leaves_no_object(store: Store) -> None:
    script = _PROCESS.replace('b\'%d\' % i * 1000)', 'b\'%d\' % i * 1000)\n'
                              '        import os; os._exit(9)')
    done = subprocess.run(
        [sys.executable, '-c', script, os.fspath(store.root)], input=b'\n', check=False,
    )
    assert done.returncode == 9
    assert objects(store) == set()
    assert len(leftovers(store)) == 40
    put(store, b'0' * 1000)
    assert store.read(of_bytes(b'0' * 1000)) == b'0' * 1000


def refused(store: Store, *contents: bytes) -> StoreError:
    with pytest.raises(StoreError) as e:
        put(store, *contents)
    assert type(e.value) is StoreError
    assert e.value.message.startswith(f"cannot write to the store '{store.root}': ")
    return e.value


@pytest.mark.parametrize('call', ['write', 'pwrite', 'fsync', 'replace', 'fchmod'])
@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_full_or_broken_disk_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: str, number: int,
) -> None:
    def fail(*args: Any, **kwargs: Any) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        if call == 'replace':       # is for file systems without links
            patched.setattr(os, 'link', fail)
        error = refused(store, b'hello', LONG)
        assert os.strerror(number) in error.message
    assert leftovers(store) == []
    assert objects(store) == set()
    put(store, b'hello')
    assert store.read(of_bytes(b'hello')) == b'hello'


def test_a_disk_that_takes_a_few_bytes_at_a_time_is_written_to_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = os.write
    monkeypatch.setattr(os, 'write', lambda fd, data: write(fd, bytes(data[:3])))
    put(store, b'hello, world')
    monkeypatch.undo()
    assert store.read(of_bytes(b'hello, world')) == b'hello, world'


def test_a_store_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('no folder')
    refused(Store(tmp_path / 'file'), b'hello')
    (tmp_path / 'store').mkdir()
    (tmp_path / 'store' / 'objects').write_text('no folder')
    store = Store(tmp_path / 'store')
    refused(store, b'hello')
    assert leftovers(store) == []


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_a_store_that_must_not_be_written_is_told(store: Store) -> None:
    put(store, b'hello')
    (store.root / 'tmp').chmod(0o555)
    refused(store, b'world')
    assert put(store, b'hello') == [of_bytes(b'hello')]


_LIMITED = '''
import os, resource, sys
from pathlib import Path
from git_model_driver.core.errors import StoreError
from git_model_driver.store.objects import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
store = Store(Path(sys.argv[1]))
try:
    with store.batch() as batch:
        batch.put_bytes(b'short')
        batch.put_bytes(os.urandom(200_000))
except StoreError as e:
    print(e)
'''


def test_a_file_that_may_not_be_so_long_is_told(store: Store) -> None:
    pytest.importorskip('resource')
    done = subprocess.run(
        [sys.executable, '-c', _LIMITED, os.fspath(store.root)],
        capture_output=True, text=True, check=True,
    )
    assert 'cannot write to the store' in done.stdout
    assert 'File too large' in done.stdout
    assert objects(store) == set() and leftovers(store) == []


def test_a_long_span_that_changes_between_two_readings_is_not_stored(
    store: Store,
) -> None:
    class Changing(BytesSpan):
        readings = 0

        def readinto(self, offset: int, into: memoryview) -> None:
            super().readinto(offset, into)
            into[0] = self.readings
            self.readings += 1

    with pytest.raises(Changed, match='changed while'), store.batch() as batch:
        batch.put(Item(Changing(LONG)))
    assert objects(store) == set() and leftovers(store) == []


def test_a_short_span_is_read_once(store: Store) -> None:
    class Counting(BytesSpan):
        readings = 0

        def readinto(self, offset: int, into: memoryview) -> None:
            self.readings += 1
            super().readinto(offset, into)

    span = Counting(b'hello')
    with store.batch() as batch:
        batch.put(Item(span))
    assert span.readings == 1


@pytest.mark.parametrize('change', ['shorter', 'longer', 'rewritten'])
def test_a_file_that_changes_is_noticed(tmp_path: Path, change: str) -> None:
    path = tmp_path / 'model'
    path.write_bytes(bytes(1000))
    os.utime(path, ns=(1, 1))
    with open(path, 'rb') as file:
        source = FileSource(file.fileno(), 'model')
        source.check_unchanged()
        assert source[990:2000] == bytes(10) and len(source) == source.length == 1000
        if change == 'shorter':
            os.truncate(path, 500)
            with pytest.raises(Changed):
                source[400:600]
        else:
            path.write_bytes(b'1' * (1000 if change == 'rewritten' else 2000))
        with pytest.raises(Changed) as e:
            source.check_unchanged()
    assert str(e.value) == (
        "error: 'model' changed while it was being read\n"
        'hint: wait until it is written whole, then run the command again'
    )


def test_a_file_cut_short_while_it_is_put_is_not_stored(
    tmp_path: Path, store: Store,
) -> None:
    path = tmp_path / 'model'
    path.write_bytes(LONG)
    with open(path, 'rb') as file:
        source = FileSource(file.fileno(), 'model')
        os.truncate(path, CHUNK + 3)
        with pytest.raises(Changed), store.batch() as batch:
            batch.put(Item(source.span(0, 10)))
            batch.put(Item(source))
    assert objects(store) == set() and leftovers(store) == []
