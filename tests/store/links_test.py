"""Objects of another store, linked."""
from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import of_bytes
from git_model_driver.store import freshness
from git_model_driver.store import objectheader
from git_model_driver.store.codec.form import BYTES
from git_model_driver.store.glance import Glance
from git_model_driver.store.glance import glance
from git_model_driver.store.links import Links
from git_model_driver.store.objectheader import RAW
from git_model_driver.store.objectheader import Header
from git_model_driver.store.objects import Store

TEXT = b'a text that another one is a patch of; ' * 40


@pytest.fixture
def source(tmp_path: Path) -> Store:
    return Store(tmp_path / 'source')


@pytest.fixture
def target(tmp_path: Path) -> Store:
    (tmp_path / 'far').mkdir()
    return Store(tmp_path / 'far/model')


def chain(store: Store, length: int) -> list[Oid]:
    """Texts each of which is stored in terms of the one before."""
    found: list[Oid] = []
    for number in range(length):
        with store.batch() as batch:
            base = found[-1] if found else None
            found.append(batch.put_bytes(TEXT + bytes(number), base=base))
    return found


def linked(source: Store, target: Store, *wanted: Oid) -> list[bool]:
    with Links(source, target, wanted) as links:
        return [links.add(oid) for oid in wanted]


def is_same(oid: Oid, source: Store, target: Store) -> bool:
    return source.path(oid).samefile(target.path(oid))


def forge(store: Store, oid: Oid, base: Oid) -> None:
    """An object that says what it is based on, and has its seal."""
    path = store.path(oid)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(objectheader.pack(Header(RAW, 1 << 20, 0, BYTES, base), []))
    freshness.seal(path, oid)


def test_many_are_there_at_once_and_nothing_else_is(
    source: Store, target: Store,
) -> None:
    with source.batch() as batch:
        oids = [batch.put_bytes(bytes([i]) * i * 100) for i in range(60)]
    with Links(source, target, oids) as links:
        assert links.add(oids[0])
        assert set(target) == {oids[0]}
        assert all(map(links.add, oids))
    assert set(target) == set(oids)
    assert all(is_same(oid, source, target) for oid in oids)
    assert os.listdir(target.root) == ['objects']
    assert linked(source, target, *oids) == [True] * 60


def test_what_somebody_wrote_to_is_not_linked(source: Store, target: Store) -> None:
    one, two = (chain(source, 1)[0], of_bytes(b'two'))
    with source.batch() as batch:
        batch.put_bytes(b'two')
    os.utime(source.path(one))
    assert linked(source, target, one, two) == [False, True]
    assert set(target) == {two}


def test_what_it_is_based_on_comes_along(source: Store, target: Store) -> None:
    oids = chain(source, 4)
    with Links(source, target, set(oids)) as links:
        assert links.add(oids[3])
        assert set(target) == set(oids)
    assert target.read(oids[3]) == TEXT + bytes(3)


def test_what_it_is_based_on_may_be_there(source: Store, target: Store) -> None:
    oids = chain(source, 3)
    assert linked(source, target, oids[2]) == [False]
    assert linked(source, target, oids[0]) == [True]
    assert linked(source, target, oids[2]) == [False]
    assert linked(source, target, oids[1]) == [True]
    assert linked(source, target, oids[2]) == [True]
    assert target.read(oids[2]) == TEXT + bytes(2)


def test_what_it_is_based_on_there_is_wanted_from_now_on(
    source: Store, target: Store,
) -> None:
    oids = chain(source, 3)
    assert linked(source, target, *oids[:2]) == [True, True]
    before = time.time() - 3 * 7 * 24 * 3600
    for oid in oids[:2]:        # files of their own, as of a store that was copied
        path = target.path(oid)
        path.rename(path.with_suffix('.old'))
        path.write_bytes(path.with_suffix('.old').read_bytes())
        path.with_suffix('.old').unlink()
        os.utime(path, (before, before))
    assert linked(source, target, oids[2]) == [True]
    assert all(time.time() - target.path(oid).stat().st_mtime < 60 for oid in oids)


def test_what_is_based_on_what_was_written_to_is_not_linked(
    source: Store, target: Store,
) -> None:
    oids = chain(source, 3)
    os.utime(source.path(oids[0]))
    assert linked(source, target, *reversed(oids)) == [False] * 3
    assert set(target) == set()


def test_a_circle_ends(source: Store, target: Store) -> None:
    one, two = of_bytes(b'1'), of_bytes(b'2')
    forge(source, one, two)
    forge(source, two, one)
    assert linked(source, target, one, two) == [False, False]
    assert set(target) == set()


def test_what_is_nowhere_or_no_object_is_not_linked(
    source: Store, target: Store,
) -> None:
    (oid,) = chain(source, 1)
    assert linked(source, target, of_bytes(b'nowhere')) == [False]
    for content in (b'', b'no object at all' * 9):
        path = source.path(oid)
        path.unlink()
        path.write_bytes(content)
        freshness.seal(path, oid)
        assert glance(path, oid) is None
        assert linked(source, target, oid) == [False]


def test_it_is_wanted_from_now_on(source: Store, target: Store) -> None:
    (oid,) = chain(source, 1)
    weeks = 3 * 7 * 24 * 3600
    old = source.path(oid).stat().st_mtime_ns - weeks * 10 ** 9
    os.utime(source.path(oid), ns=(old, old))
    assert linked(source, target, oid) == [True]
    status = target.path(oid).stat()
    assert time.time() - status.st_mtime < 60
    assert freshness.is_sealed(status, oid)


def test_another_file_system_is_not_linked_to(
    source: Store, target: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    oids = chain(source, 1)

    def refuse(path: object, final: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, 'link', refuse)
    assert linked(source, target, *oids) == [False]


@pytest.mark.parametrize(('mode', 'shared', 'is_linked'), [
    (0o444, 0o755, True), (0o440, 0o755, False), (0o444, 0o2775, True),
    (0o440, 0o2770, False), (0o400, 0o2770, False),
])
def test_who_may_read_new_objects_may_read_linked_ones(
    source: Store, target: Store, mode: int, shared: int, is_linked: bool,
) -> None:
    """core.sharedRepository there, or a group of our own that others are not in."""
    (oid,) = chain(source, 1)
    source.path(oid).chmod(mode)
    shared_objects = target.root.parent / 'objects'
    shared_objects.mkdir()
    shared_objects.chmod(shared)
    assert linked(source, target, oid) == [is_linked]


@pytest.mark.skipif(os.geteuid() != 0, reason='files of other groups are made by root')
@pytest.mark.parametrize(('group', 'is_linked'), [(1234, True), (0, False)])
def test_those_of_the_group_that_shares_it_can_read_it(
    source: Store, target: Store, group: int, is_linked: bool,
) -> None:
    before = os.umask(0o027)
    try:
        (oid,) = chain(source, 1)
        os.chown(source.path(oid), 0, group)
        folder = target.path(oid).parent
        folder.mkdir(parents=True)
        os.chown(folder, 0, 1234)
        folder.chmod(0o2750)
        assert linked(source, target, oid) == [is_linked]
    finally:
        os.umask(before)


def test_a_disk_that_is_full_is_told(
    source: Store, target: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    oids = chain(source, 1)

    def refuse(path: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'mkdir', refuse)
    with pytest.raises(StoreError, match='No space left on device'):
        linked(source, target, *oids)


def test_a_glance_says_what_the_header_does(source: Store) -> None:
    one, two = chain(source, 2)
    assert glance(source.path(one), one) == Glance(source.path(one).stat(), None)
    assert glance(source.path(two), two) == Glance(source.path(two).stat(), one)
    assert glance(source.path(two), one) is None
    assert glance(source.path(of_bytes(b'nowhere')), one) is None
