"""Places for tensors, and what they are asked, without Git."""
from __future__ import annotations

import itertools
import os
import shutil
import uuid
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy
import pytest

from git_model_driver.core.errors import Changed
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import of_bytes
from git_model_driver.git.progress import Progress
from git_model_driver.store.batch import Item
from git_model_driver.store.codec.form import FLOAT
from git_model_driver.store.codec.form import Form
from git_model_driver.store.codec.zstd import Buffer
from git_model_driver.store.objects import Store
from git_model_driver.store.source import BytesSpan
from git_model_driver.transfer import remotes
from git_model_driver.transfer.depot import addresses
from git_model_driver.transfer.depot import refusals
from git_model_driver.transfer.depot import sending
from git_model_driver.transfer.depot.folder import Folder
from git_model_driver.transfer.depot.place import Place
from git_model_driver.transfer.depot.shelves import Shelves
from git_model_driver.transfer.depot.storage import Storage
from git_model_driver.transfer.depot.taking import Taking
from git_model_driver.transfer.sealing import Sealed
from git_model_driver.transfer.seals import Plain
from git_model_driver.transfer.seals import Seal

SEALS: list[Seal] = [Plain(), Sealed(bytes(32))]
both = pytest.mark.parametrize('seal', SEALS, ids=['plain', 'sealed'])


def near(seed: int) -> bytes:
    base = numpy.random.default_rng(0).standard_normal(500)
    moved = base + numpy.random.default_rng(seed).standard_normal(500) * 1e-4
    return moved.astype('float32').tobytes()


def chain(root: Path, *seeds: int) -> Store:
    """A store with objects each of which is based on the one before."""
    store, base = Store(root), None
    for seed in seeds:
        with store.batch() as batch:
            item = Item(BytesSpan(near(seed)), Form(4, FLOAT), lambda oid=base: oid)
            base = batch.put(item)
    return store


def oids(*seeds: int) -> list[Oid]:
    return [of_bytes(near(seed)) for seed in seeds]


def send(store: Store, wanted: list[Oid], shelves: Shelves, tmp: Path) -> None:
    there = shelves.sizes(wanted)
    lacking = dict.fromkeys((oid for oid in wanted if oid not in there), 'm')
    sending.send(sending.ready(lacking, store, shelves, tmp / 'scratch'), shelves)


def take(store: Store, wanted: list[Oid], shelves: Shelves) -> dict[Oid, object]:
    with Taking(shelves, store, Progress('', 0)) as taking:
        return dict(taking.run(shelves.sizes(wanted)))


@pytest.fixture(params=['folder', 'memory'])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == 'memory':
        return addresses.place(f'memory://{uuid.uuid4()}/team')
    (tmp_path / 'share').mkdir()
    return addresses.place(str(tmp_path / 'share'), tmp_path)


def test_files_are_kept_whole(place: Place) -> None:
    assert place.size('objects/ab/c') is None
    assert place.sizes('objects/ab') == {}
    place.put('objects/ab/c', 5, [b'hel', b'lo'])
    place.put('objects/ab/d', 0, [])
    assert place.size('objects/ab/c') == 5
    assert place.size('objects/ab') in (None, 4096)     # a directory of ours
    assert place.sizes('objects/ab') == {'objects/ab/c': 5, 'objects/ab/d': 0}
    assert place.read('objects/ab/c', 1, 3) == b'el'
    assert place.read('objects/ab/c', 3, 9) == b'lo'


def test_what_breaks_off_leaves_nothing(place: Place) -> None:
    def broken() -> Iterator[bytes]:
        yield b'hel'
        raise RuntimeError('a reader died')

    with pytest.raises(RuntimeError):
        place.put('objects/ab/c', 5, broken())
    assert place.size('objects/ab/c') is None
    assert place.sizes('tmp') == {}


def test_a_place_that_does_not_answer_at_first_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Storage('memory://x', 'memory://x')
    monkeypatch.setattr('time.sleep', lambda seconds: None)
    asked = []

    def info(path: str) -> object:
        asked.append(path)
        raise ConnectionResetError('reset')

    monkeypatch.setattr(place._system, 'info', info)
    with pytest.raises(GitModelError, match="'memory://x' cannot be reached: reset"):
        place.size('k')
    assert len(asked) == 3
    monkeypatch.setattr(place._system, 'info', lambda path: 1 / 0)
    with pytest.raises(GitModelError, match="'memory://x': division by zero"):
        place.size('k')


@both
def test_what_is_sent_is_taken(place: Place, tmp_path: Path, seal: Seal) -> None:
    shelves = Shelves(place, seal)
    ours, theirs = chain(tmp_path / 'a', 1, 2, 3), Store(tmp_path / 'b')
    send(ours, oids(3, 1, 2), shelves, tmp_path)
    assert [shelves.depth(oid) for oid in oids(1, 2, 3)] == [0, 1, 2]
    assert take(theirs, oids(3), shelves) == {}
    assert set(theirs) == set(oids(1, 2, 3))
    assert theirs.read(oids(3)[0]) == near(3)


@both
def test_what_is_sealed_is_linked_where_it_lies_as_it_is(
    tmp_path: Path, seal: Seal,
) -> None:
    (tmp_path / 'share').mkdir()
    shelves = Shelves(Folder(tmp_path / 'share', tmp_path), seal)
    ours = chain(tmp_path / 'a', 1, 2, 3)
    os.utime(ours.path(oids(2)[0]), ns=(0, 1))      # somebody has touched it
    send(ours, oids(1, 2, 3), shelves, tmp_path)
    linked = [
        (tmp_path / 'share' / shelves.key(oid)).samefile(ours.path(oid))
        for oid in oids(1, 2, 3)
    ]
    assert linked == ([False] * 3 if seal.id else [True, False, True])
    assert take(Store(tmp_path / 'b'), oids(3), shelves) == {}


def test_what_cannot_be_there_is_not_said_to_be_linked(tmp_path: Path) -> None:
    """A folder that is a link to a disk that is not mounted."""
    (tmp_path / 'share/objects').mkdir(parents=True)
    ours, (oid,) = chain(tmp_path / 'a', 1), oids(1)
    place = Folder(tmp_path / 'share', tmp_path)
    key = Shelves(place, Plain()).key(oid)
    (tmp_path / 'share' / key).parent.symlink_to(tmp_path / 'not mounted')
    assert not place.link(key, ours.path(oid))
    with pytest.raises(GitModelError, match='cannot write'):
        send(ours, [oid], Shelves(place, Plain()), tmp_path)


def test_nothing_is_linked_to_a_share_that_is_mounted(tmp_path: Path) -> None:
    (tmp_path / 'share').mkdir()
    ours, (oid,) = chain(tmp_path / 'a', 1), oids(1)
    place = Folder(tmp_path / 'share', Path('/proc'))
    assert not place.is_near
    send(ours, [oid], Shelves(place, Plain()), tmp_path)
    sent = tmp_path / 'share' / Shelves(place, Plain()).key(oid)
    assert sent.read_bytes() == ours.path(oid).read_bytes()
    assert not sent.samefile(ours.path(oid))


def test_what_is_encoded_anew_meanwhile_is_not_sent_as_what_it_was(
    place: Place, tmp_path: Path,
) -> None:
    one, two = oids(1, 2)
    plain = Store(tmp_path / 'plain')
    with plain.batch() as batch:
        batch.put(Item(BytesSpan(near(2)), Form(4, FLOAT)))
    levels = sending.ready({two: 'm'}, plain, Shelves(place, Plain()), tmp_path / 's')
    other = chain(tmp_path / 'chain', 1, 2)
    os.replace(other.path(two), plain.path(two))
    with pytest.raises(Changed, match='was encoded anew'):
        sending.send(levels, Shelves(place, Plain()))
    assert not Shelves(place, Plain()).has(two)
    assert one not in plain


@both
def test_what_is_damaged_here_is_not_sent(
    place: Place, tmp_path: Path, seal: Seal,
) -> None:
    ours = chain(tmp_path / 'a', 1, 2)
    damaged = ours.path(oids(1)[0])
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.chmod(0o644)
    damaged.write_bytes(data)
    with pytest.raises(CorruptObject) as e:
        send(ours, oids(1, 2), Shelves(place, seal), tmp_path)
    assert e.value.oid == oids(1)[0]
    assert not any(Shelves(place, seal).has(oid) for oid in oids(1, 2))
    assert place.sizes('tmp') == {}


@both
def test_a_base_that_the_other_side_lacks_is_done_without(
    place: Place, tmp_path: Path, seal: Seal,
) -> None:
    shelves = Shelves(place, seal)
    send(chain(tmp_path / 'a', 1, 2, 3), oids(3), shelves, tmp_path)
    assert shelves.depth(oids(3)[0]) == 0
    assert not shelves.has(oids(2)[0])


def test_no_chain_becomes_too_long_to_read(place: Place, tmp_path: Path) -> None:
    """Though each store made its own short again, and went on from there."""
    shelves = Shelves(place, Plain())
    previous: list[Oid] = []
    for step in range(24):
        store = chain(tmp_path / f's{step}', step, step + 1)
        send(store, oids(step + 1) if step else oids(0, 1), shelves, tmp_path)
        shelves = Shelves(place, Plain())
        previous = oids(step + 1)
    depths = [shelves.depth(oid) for oid in oids(*range(25))]
    assert max(depth or 0 for depth in depths) == 8
    assert None not in depths
    assert take(Store(tmp_path / 'b'), previous, shelves) == {}


@both
def test_what_is_not_whole_is_lacking(
    place: Place, tmp_path: Path, seal: Seal,
) -> None:
    send(chain(tmp_path / 'a', 1, 2), oids(1, 2), Shelves(place, seal), tmp_path)
    one, two = oids(1, 2)
    key = Shelves(place, seal).key(one)
    data = place.read(key, 0, 1 << 20)
    head = bytearray(data)
    head[20] ^= 1
    for wrong in (data[:-1], data + b'x', data[:10], b'', bytes(head)):
        other = addresses.place(f'memory://{uuid.uuid4()}')
        for name, content in ((key, wrong), (Shelves(place, seal).key(two),
                              place.read(Shelves(place, seal).key(two), 0, 1 << 20))):
            other.put(name, len(content), [content])
        shelves = Shelves(other, seal)
        assert shelves.depth(one) is None
        assert shelves.depth(two) is None
    assert Shelves(place, seal).depth(two) == 1


class Interrupted(Folder):
    """Before its n-th file is put, something else happens."""

    def __init__(self, root: Path, number: int, act: Callable[[], None]) -> None:
        super().__init__(root)
        self._number = number
        self._act = act

    def put(self, key: str, nbytes: int, pieces: Iterable[Buffer]) -> None:
        self._number -= 1
        if self._number == 0:
            self._act()
        super().put(key, nbytes, pieces)


@pytest.mark.parametrize('number', [1, 2, 3])
@pytest.mark.parametrize('theirs', list(itertools.permutations((1, 2, 3))))
def test_two_who_push_at_once_make_no_circle(
    tmp_path: Path, number: int, theirs: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('git_model_driver.transfer.workers.count', lambda: 1)
    root = tmp_path / 'share'
    root.mkdir()
    wanted = oids(1, 2, 3)
    mine, other = chain(tmp_path / 'a', 1, 2, 3), chain(tmp_path / 'b', *theirs)
    meanwhile = partial(
        send, other, wanted, Shelves(Folder(root), Plain()), tmp_path / 'x',
    )
    shelves = Shelves(Interrupted(root, number, meanwhile), Plain())
    send(mine, wanted, shelves, tmp_path / 'y')
    after = Shelves(Folder(root), Plain())
    assert None not in [after.depth(oid) for oid in wanted]
    reader = Store(tmp_path / 'reader')
    assert take(reader, wanted, after) == {}
    assert set(reader) == set(wanted)


def test_a_circle_that_somebody_made_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / 'share').mkdir()
    shelves = Shelves(Folder(tmp_path / 'share'), Plain())
    for seeds in ((1, 2), (2, 1)):
        store = chain(tmp_path / f'{seeds}', *seeds)
        path = tmp_path / 'share' / shelves.key(oids(seeds[1])[0])
        path.parent.mkdir(parents=True)
        shutil.copyfile(store.path(oids(seeds[1])[0]), path)
    assert shelves.depth(oids(1)[0]) is None
    reader = Store(tmp_path / 'reader')
    assert take(reader, oids(1), shelves).keys() <= set(oids(1, 2))
    assert set(reader) == set()


class Counted(Storage):
    """How often it is asked."""

    def __init__(self, url: str) -> None:
        super().__init__(url, url)
        self.asked: list[str] = []

    def size(self, key: str) -> int | None:
        self.asked.append('size')
        return super().size(key)

    def sizes(self, folder: str) -> dict[str, int]:
        self.asked.append('list')
        return super().sizes(folder)


@pytest.mark.parametrize(('count', 'asked'), [
    (999, {'size': 999}), (1500, {'list': 256}),
])
def test_many_are_listed_and_few_are_asked_for(
    count: int, asked: dict[str, int],
) -> None:
    place = Counted(f'memory://{uuid.uuid4()}')
    shelves = Shelves(place, Plain())
    wanted = [of_bytes(b'%d' % number) for number in range(count)]
    there = wanted[::100]
    for oid in there:
        place.put(shelves.key(oid), 3, [b'abc'])
    assert shelves.sizes(wanted) == dict.fromkeys(there, 3)
    counted = {kind: place.asked.count(kind) for kind in set(place.asked)}
    assert counted.keys() == asked.keys()
    assert all(counted[kind] <= most for kind, most in asked.items())


@pytest.mark.parametrize(('url', 'said'), [
    ('s3://bucket/a', 's3://bucket/a'),
    ('sftp://ann:secret@host:22/a', 'sftp://host:22/a'),
    ('az://box/a?sig=secret', 'az://box/a'),
])
def test_what_is_secret_in_an_address_is_not_said(url: str, said: str) -> None:
    assert addresses.place(url).label == said


@pytest.mark.parametrize('text', [
    'request failed: aws_secret_access_key=SECRET', "{'Token': 'SECRET'}",
    'GET sftp://ann:SECRET@host/x', 'signature: SECRET',
])
def test_what_is_secret_in_an_error_is_not_said(text: str) -> None:
    error = refusals.told(OSError(text), 's3://x', 's3')
    assert 'SECRET' not in str(error)


@pytest.mark.parametrize(('value', 'is_one'), [
    ('s3://bucket', True), ('/mnt/share', True), ('file:///x', True), ('git', False),
    ('none', False), ('share', False), ('./share', False),
])
def test_an_address_is_told_from_a_kind(value: str, is_one: bool) -> None:
    assert remotes.is_address(value) is is_one
