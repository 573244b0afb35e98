"""The store, and the other stores that it reads."""
from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy
import pytest

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import of_bytes
from git_model_driver.store.batch import Item
from git_model_driver.store.codec.form import FLOAT
from git_model_driver.store.codec.form import Form
from git_model_driver.store.digest import check_digest
from git_model_driver.store.objects import Store
from git_model_driver.store.source import BytesSpan

HELLO = of_bytes(b'hello')


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """Another store, with one object."""
    other = Store(tmp_path / 'other')
    with other.batch() as batch:
        batch.put_bytes(b'hello')
    return other


def beside(other: Store, kind: str, *more: Path) -> Store:
    """A store that knows the other as an alternate or as a remote's."""
    return Store(other.root.parent / 'own', **{kind: lambda: [*more, other.root]})


def damage(store: Store, oid: Oid) -> None:
    path = store.path(oid)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + b'!')


def test_what_is_nowhere_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.has(HELLO)
    with pytest.raises(MissingObject) as e:
        store.open(HELLO)
    assert e.value.message == f'the object {HELLO} is not in the store'
    assert 'git model pull' in e.value.hints[0]


def test_an_alternate_is_read_where_it_is(other: Store) -> None:
    store = beside(other, 'alternates', Path('/nowhere'))
    assert store.has(HELLO) and not store.has_own(HELLO)
    assert store.read(HELLO) == b'hello'
    assert store.find(HELLO) == other.path(HELLO)
    assert list(store) == []


def test_what_a_remotes_store_has_is_taken_over(other: Store) -> None:
    store = beside(other, 'remotes', Path('/nowhere'))
    assert store.read(HELLO) == b'hello'
    assert store.has_own(HELLO) and list(store) == [HELLO]
    other.path(HELLO).unlink()
    assert store.read(HELLO) == b'hello'
    assert os.listdir(store.root / 'tmp') == []


def test_several_are_taken_over_in_one_go(other: Store) -> None:
    with other.batch() as batch:
        oids = [batch.put_bytes(b'%d' % i) for i in range(40)]
    store = beside(other, 'remotes')
    store.gather([*oids, *oids, of_bytes(b'nowhere')])
    assert set(store) == set(oids)


def test_two_that_take_over_the_same_leave_nothing_behind(other: Store) -> None:
    store = beside(other, 'remotes')
    with store.batch() as first, store.batch() as second:
        for batch in (first, second):
            with other.open(HELLO) as file:
                batch.take_over(file)
    assert store.read(HELLO) == b'hello'
    assert os.listdir(store.root / 'tmp') == []


def test_it_is_copied_where_it_cannot_be_linked(
    other: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    def link(*args: object) -> None:
        raise OSError

    monkeypatch.setattr(os, 'link', link)
    store = beside(other, 'remotes')
    assert store.read(HELLO) == b'hello'
    own, theirs = store.path(HELLO).stat(), other.path(HELLO).stat()
    assert own.st_ino != theirs.st_ino and own.st_mode == theirs.st_mode


def test_what_is_damaged_there_is_not_taken_over(other: Store) -> None:
    damage(other, HELLO)
    store = beside(other, 'remotes')
    with pytest.raises(CorruptObject):
        store.read(HELLO)
    assert list(store) == []


def test_what_has_another_name_there_is_not_taken_over(other: Store) -> None:
    """Sound in itself, but other bytes than its name says."""
    wrong = of_bytes(b'world')
    target = other.path(wrong)
    target.parent.mkdir(parents=True)
    target.write_bytes(other.path(HELLO).read_bytes())
    store = beside(other, 'remotes')
    with pytest.raises(CorruptObject, match='is damaged in '):
        store.open(wrong)
    assert list(store) == []
    with other.open(wrong) as file, pytest.raises(CorruptObject):
        check_digest(file)


def test_others_are_looked_for_only_when_something_is_missing(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(kind: str) -> list[Path]:
        asked.append(kind)
        return []

    store = Store(tmp_path, partial(ask, 'alternates'), partial(ask, 'remotes'))
    with store.batch() as batch:
        oid = batch.put_bytes(b'hello')
    assert store.has(oid) and store.read(oid) == b'hello'
    assert asked == ['alternates']
    assert not store.has(of_bytes(b'1')) and not store.has(of_bytes(b'2'))
    assert asked == ['alternates']
    for missing in (b'1', b'2'):
        with pytest.raises(MissingObject):
            store.open(of_bytes(missing))
    assert asked == ['alternates', 'remotes']


def test_the_list_of_objects_is_sorted_and_without_strangers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert list(store) == []
    with store.batch() as batch:
        oids = [batch.put_bytes(b'%d' % i) for i in range(20)]
    (tmp_path / 'objects' / 'README').write_text('hello')
    (tmp_path / 'objects' / 'ab').mkdir(exist_ok=True)
    (tmp_path / 'objects' / 'ab' / 'short').write_text('hello')
    (tmp_path / 'objects' / 'ab' / ('x' * 62)).write_text('hello')
    assert list(store) == sorted(oids)


def test_damage_here_is_told_when_it_is_read(other: Store) -> None:
    damage(other, HELLO)
    assert other.has(HELLO)
    with pytest.raises(CorruptObject):
        other.read(HELLO)


def near(seed: int) -> bytes:
    base = numpy.random.default_rng(0).standard_normal(500)
    moved = base + numpy.random.default_rng(seed).standard_normal(500) * 1e-4
    return bytes(moved.astype('float32').tobytes())


def chained(root: Path, *seeds: int) -> Store:
    """A store with objects each of which is based on the one before."""
    store, base = Store(root), None
    for seed in seeds:
        with store.batch() as batch:
            item = Item(BytesSpan(near(seed)), Form(4, FLOAT), lambda oid=base: oid)
            base = batch.put(item)
    return store


def base_of(store: Store, seed: int) -> Oid | None:
    with store.open(of_bytes(near(seed))) as file:
        return file.header.base


def test_what_others_have_in_terms_of_what_cannot_be_read_here_is_decoded(
    tmp_path: Path,
) -> None:
    """Or the two would be based on each other."""
    theirs = chained(tmp_path / 'theirs', 2, 1)
    one, two = of_bytes(near(1)), of_bytes(near(2))
    own = chained(tmp_path / 'own', 1, 2)
    assert base_of(theirs, 1) == two and base_of(own, 2) == one
    own.path(one).unlink()
    own = Store(own.root, remotes=lambda: [theirs.root])
    assert own.read(one) == near(1) and own.read(two) == near(2)
    assert base_of(own, 1) is None


def test_what_is_based_on_what_is_lost_there_does_not_stop_the_others(
    tmp_path: Path,
) -> None:
    theirs = chained(tmp_path / 'theirs', 1, 2)
    with theirs.batch() as batch:
        hello = batch.put_bytes(b'hello')
    theirs.path(of_bytes(near(1))).unlink()
    own = beside(theirs, 'remotes')
    assert own.gather([of_bytes(near(2)), hello]) == []
    assert set(own) == {hello}


def test_what_is_borrowed_is_not_stored_again(tmp_path: Path) -> None:
    """Or it could be based on what is based on it."""
    lender = chained(tmp_path / 'lender', 1)
    own = Store(tmp_path / 'own', lambda: [lender.root])
    one, base = of_bytes(near(1)), of_bytes(near(1))
    for seed in (2, 1):
        with own.batch() as batch:
            item = Item(BytesSpan(near(seed)), Form(4, FLOAT), lambda oid=base: oid)
            base = batch.put(item)
    assert set(own) == {of_bytes(near(2))} and base_of(own, 2) == one
    assert own.read(one) == near(1)
