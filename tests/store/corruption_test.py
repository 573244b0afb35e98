"""Any damage to any object is found when it is read; no wrong byte is given out."""
from __future__ import annotations

import random
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy
import pytest

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import StoreError
from git_model_driver.core.manifest import OPAQUE
from git_model_driver.core.manifest import Blob
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import of_bytes
from git_model_driver.filters.smudge import Assembly
from git_model_driver.store.batch import Item
from git_model_driver.store.codec import modes
from git_model_driver.store.codec.form import BYTES
from git_model_driver.store.codec.form import DOCUMENT
from git_model_driver.store.codec.form import FLOAT
from git_model_driver.store.codec.form import Form
from git_model_driver.store.codec.update import Matrix
from git_model_driver.store.examine import DAMAGED
from git_model_driver.store.examine import Examination
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store
from git_model_driver.store.source import BytesSpan
from tests.testing.params import slow_unless

F32 = Form(4, FLOAT)
EVERY = 1500        # objects up to so many bytes are damaged at each of them


class Kind(NamedTuple):
    """An object of a kind, and which modes its chunks have."""

    name: str
    raw: bytes
    form: Form | None
    modes: set[int]
    base: str = ''
    matrix: Matrix | None = None


def near(seed: int, count: int = 400, share: float = 1.0) -> bytes:
    rng = numpy.random.default_rng(0)
    values: Any = rng.standard_normal(count).astype('float32')
    other = numpy.random.default_rng(seed)
    changed = other.random(count) < share
    values += numpy.where(changed, other.standard_normal(count) * 1e-4, 0)
    return bytes(values.astype('float32').tobytes())


GRID = Matrix('F32', 40, 36)
_RANDOM = numpy.random.default_rng(3)
SQUARE: Any = (_RANDOM.standard_normal((40, 36)) * 0.02).astype('float32')
LOW_RANK = SQUARE + numpy.outer(*(
    _RANDOM.standard_normal(n).astype('float32') for n in (40, 36)
))
SCALED = SQUARE * (1 + 0.1 * _RANDOM.standard_normal((40, 1)).astype('float32'))
TEXT = b''.join(b'{"name": "layer %d", "units": %d}\n' % (i, i * i) for i in range(90))
LONG = random.Random(1).randbytes(CHUNK) + near(1)
KINDS = (
    Kind('empty', b'', BYTES, set()),
    Kind('raw', b'hello', BYTES, {modes.RAW}),
    Kind('does not compress', random.Random(0).randbytes(1100), BYTES, {modes.RAW}),
    Kind('planes', near(1), F32, {modes.PLANES}),
    Kind('guessed', near(2) + b'123', None, {modes.PLANES}),
    Kind('difference', near(3), F32, {modes.DIFFERENCE}, 'planes'),
    Kind('chain', near(4), F32, {modes.DIFFERENCE}, 'difference'),
    Kind('end of the chain', near(5), F32, {modes.DIFFERENCE}, 'chain'),
    Kind('mostly unchanged', near(1)[:-40] + near(6)[-40:], F32, {modes.CHANGED},
         'planes'),
    Kind('text', TEXT, DOCUMENT, {modes.TEXT}),
    Kind('patch', TEXT.replace(b'units": 4', b'UNITS": 5'), DOCUMENT, {modes.PATCH},
         'text'),
    Kind('several chunks', LONG, F32, {modes.RAW, modes.PLANES}),
    Kind('difference of several chunks', LONG[:-8] + b'somewhat', F32,
         {modes.CHANGED}, 'several chunks'),
    Kind('matrix', SQUARE.tobytes(), F32, {modes.PLANES}, '', GRID),
    # The factors are a row of the table, too, and raw.
    Kind('low rank', LOW_RANK.tobytes(), F32, {modes.RAW, modes.CHANGED}, 'matrix',
         GRID),
    Kind('scaled', SCALED.tobytes(), F32, {modes.RAW, modes.CHANGED}, 'matrix', GRID),
)
# As much is found in others of their kind.
LONGEST = 'planes', 'chain', 'end of the chain', 'several chunks'


class Shelf(NamedTuple):
    store: Store
    oids: dict[str, Oid]

    def data(self, name: str) -> bytes:
        return self.store.path(self.oids[name]).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        path = self.store.path(self.oids[name])
        path.unlink()
        path.write_bytes(data)

    def based_on(self, name: str) -> set[Oid]:
        """What is based on an object, however indirectly."""
        direct = [kind.name for kind in KINDS if kind.base == name]
        return {self.oids[kind] for kind in direct}.union(*map(self.based_on, direct))


@pytest.fixture(scope='module')
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    store, oids = Store(tmp_path_factory.mktemp('shelf')), {}
    for kind in KINDS:
        base = oids.get(kind.base)
        with store.batch() as batch:
            span = BytesSpan(kind.raw)
            item = Item(span, kind.form, lambda base=base: base, kind.matrix)
            oids[kind.name] = batch.put(item)
    return Shelf(store, oids)


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_the_shelf_has_every_kind(shelf: Shelf, kind: Kind) -> None:
    with shelf.store.open(shelf.oids[kind.name]) as file:
        assert {row.mode for row in file._rows} == kind.modes
        assert file.header.base == shelf.oids.get(kind.base)


def damages(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every byte changed, every length; samples of what is long."""
    rng = random.Random(len(data))
    places: Any = range(len(data))
    lengths = [*places]
    if len(data) > EVERY:
        ends = (*range(160), *range(len(data) - 40, len(data)))
        places = sorted({*ends, *rng.sample(places, 120)})
        lengths = rng.sample(range(len(data)), 60)
    for at in places:
        changed = bytearray(data)
        changed[at] ^= 1 << rng.randrange(8) if rng.random() < 0.7 else 0xff
        yield f'byte {at}', bytes(changed)
    for length in lengths:
        yield f'length {length}', data[:length]
    yield 'a byte more', data + b'\0'
    yield 'another object', data * 2
    yield 'zeros', bytes(len(data))


def pieces(file: ObjectFile) -> Iterator[bytes]:
    """Copies: each piece is in the buffer of the one before."""
    return map(bytes, file.pieces())


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_the_pieces_are_the_file(shelf: Shelf, kind: Kind) -> None:
    with shelf.store.open(shelf.oids[kind.name]) as file:
        assert b''.join(pieces(file)) == shelf.data(kind.name)


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_nobody_gets_all_of_what_is_damaged(shelf: Shelf, kind: Kind) -> None:
    oid, data = shelf.oids[kind.name], shelf.data(kind.name)
    rng = random.Random(len(data))
    try:
        for at in [0, len(data) - 1, *rng.choices(range(len(data)), k=20)]:
            changed = bytearray(data)
            changed[at] ^= 1 << rng.randrange(8)
            shelf.write(kind.name, changed)
            got = b''
            with pytest.raises(StoreError), shelf.store.open(oid) as file:
                for piece in pieces(file):
                    got += piece
            assert len(got) < len(data)
    finally:
        shelf.write(kind.name, data)


def read(shelf: Shelf, name: str, raw: bytes) -> None:
    """Every way to read; each gives the right bytes, or says that it cannot."""
    def whole() -> bytes:
        return shelf.store.read(shelf.oids[name])

    def part() -> bytes:
        with shelf.store.open(shelf.oids[name]) as file:
            return file.read(3, len(raw))

    for way, expected in ((whole, raw), (part, raw[3:])):
        try:
            assert way() == expected
        except StoreError:
            continue


def refused(shelf: Shelf, act: Callable[[], object]) -> CorruptObject:
    with pytest.raises(CorruptObject) as e:
        act()
    return e.value


@pytest.mark.parametrize(
    'kind', slow_unless(lambda kind: kind.name not in LONGEST, KINDS),
    ids=lambda kind: kind.name,
)
def test_damage_anywhere_is_found(shelf: Shelf, kind: Kind) -> None:
    oid, data = shelf.oids[kind.name], shelf.data(kind.name)
    opaque = Manifest(OPAQUE, chunks=(Blob(oid, len(kind.raw)),))
    assembly = Assembly(opaque, shelf.store, 'm.bin')
    based = shelf.based_on(kind.name)
    try:
        for what, changed in damages(data):
            shelf.write(kind.name, changed)
            read(shelf, kind.name, kind.raw)
            error = refused(shelf, assembly.check)
            assert error.oid == oid, what
            assert error.message.startswith("chunk 1 of 'm.bin': the object "), what
            with pytest.raises(StoreError):
                shelf.store.read(oid)
            fault, = Examination(shelf.store).faults([oid])
            assert fault == (oid, DAMAGED, shelf.store.root, ()), what
            for other in KINDS:
                if shelf.oids[other.name] in based:
                    read(shelf, other.name, other.raw)
    finally:
        shelf.write(kind.name, data)


@pytest.mark.parametrize('name', [kind.base for kind in KINDS if kind.base])
def test_only_the_culprit_is_named(shelf: Shelf, name: str) -> None:
    data = shelf.data(name)
    try:
        for changed in (data[:-1], data[:70] + bytes(20) + data[90:], b''):
            shelf.write(name, changed)
            faults = Examination(shelf.store).faults(shelf.store)
            assert [fault.oid for fault in faults] == [shelf.oids[name]]
            assert {*faults[0].dependents} == shelf.based_on(name)
            for oid in shelf.based_on(name):
                opaque = Manifest(OPAQUE, chunks=(Blob(oid, len(raw_of(shelf, oid))),))
                check = Assembly(opaque, shelf.store, 'm.bin').check
                assert refused(shelf, check).oid == shelf.oids[name]
    finally:
        shelf.write(name, data)


def raw_of(shelf: Shelf, oid: Oid) -> bytes:
    return next(kind.raw for kind in KINDS if shelf.oids[kind.name] == oid)


def test_a_missing_base_is_named(shelf: Shelf) -> None:
    data = shelf.data('chain')
    path = shelf.store.path(shelf.oids['chain'])
    path.rename(path.with_suffix('.away'))
    try:
        fault, = Examination(shelf.store).faults(shelf.store)
        assert fault == (shelf.oids['chain'], 'missing', None,
                         (shelf.oids['end of the chain'],))
    finally:
        path.with_suffix('.away').rename(path)
    assert shelf.data('chain') == data


def test_an_object_under_another_name_is_damaged(shelf: Shelf) -> None:
    data = shelf.data('planes')
    try:
        with Store(shelf.store.root.parent / 'other').batch() as batch:
            oid = batch.put(Item(BytesSpan(near(9)), F32))
        other = Store(shelf.store.root.parent / 'other').path(oid).read_bytes()
        shelf.write('planes', other)
        faults = Examination(shelf.store).faults(shelf.store)
        assert [(fault.oid, fault.why) for fault in faults] == [
            (shelf.oids['planes'], DAMAGED),
        ]
        assert {*faults[0].dependents} == shelf.based_on('planes')
    finally:
        shelf.write('planes', data)


def test_a_circle_is_found(tmp_path: Path) -> None:
    """As two stores may make one, each sound in itself, that were copied together."""
    one, two = Store(tmp_path / 'one'), Store(tmp_path / 'two')
    a, b = near(1), near(2)
    for store, order in ((one, (a, b)), (two, (b, a))):
        base = None
        for raw in order:
            with store.batch() as batch:
                item = Item(BytesSpan(raw), F32, lambda base=base: base)
                base = batch.put(item)
    ours = one.path(of_bytes(a))
    ours.unlink()
    ours.write_bytes(two.path(of_bytes(a)).read_bytes())
    faults = Examination(one).faults(one)
    assert len(faults) == 1 and faults[0].why == DAMAGED
    assert {faults[0].oid, *faults[0].dependents} == {of_bytes(a), of_bytes(b)}
