"""Lists of what pushes brought: read as they were written, and put together rightly."""
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core.oid import Oid
from git_model_driver.store.objects import Store
from git_model_driver.transfer.gitrefs import batches
from git_model_driver.transfer.gitrefs import incoming
from git_model_driver.transfer.gitrefs.batches import Stored
from tests.testing.properties import PROPERTY


def oid(number: int) -> Oid:
    return Oid(f'sha256:{number:064x}')


OIDS = st.integers(0, 9).map(oid)
BLOBS = st.lists(st.integers(0, 99).map(lambda n: f'{n:040x}'), min_size=1, max_size=3)
STORED = st.builds(
    Stored, OIDS, st.integers(0, 10**15 - 1), st.none() | OIDS, BLOBS.map(tuple),
    st.just(''),
)


@PROPERTY
@given(st.lists(STORED, max_size=6, unique_by=lambda stored: stored.oid))
def test_a_list_is_read_again(stored: list[Stored]) -> None:
    text = batches.serialize(stored)
    assert sorted(batches.parse(text)) == sorted(stored)
    assert batches.serialize(batches.parse(text)) == text


@PROPERTY
@given(st.text(max_size=200), st.booleans())
def test_any_other_text_is_refused(text: str, begun: bool) -> None:
    if begun:
        text = f'git-model batch v1\n{text}\n'
    try:
        stored = batches.parse(text)
    except ValueError:
        return
    assert batches.parse(batches.serialize(stored)) == sorted(stored)


@pytest.mark.parametrize('name', [
    'refs/models/x/index', f'refs/models/{"0" * 40}', f'refs/heads/{"0" * 40}/index',
    f'refs/models/{"0" * 40}/other', f'refs/models/{"0" * 40}/index/x', '',
])
def test_other_refs_are_none_of_ours(name: str) -> None:
    assert batches.parse_ref(name) is None


def test_a_ref_is_read_again() -> None:
    id_ = batches.id_of(b'a list')
    for what in (batches.INDEX, batches.OBJECTS):
        assert batches.parse_ref(batches.ref(id_, what)) == (id_, what)


def sent(number: int, base: int | None) -> Stored:
    return Stored(oid(number), 1, None if base is None else oid(base), ('0' * 40,))


def chosen(tmp_path: Path, wanted: int, *ways: Stored) -> list[tuple[Oid, Oid | None]]:
    there: dict[Oid, list[Stored]] = {}
    for stored in ways:
        there.setdefault(stored.oid, []).append(stored)
    found = incoming.with_bases([oid(wanted)], there, Store(tmp_path).has)
    return [(stored.oid, stored.base) for stored in found]


def test_bases_come_first(tmp_path: Path) -> None:
    assert chosen(tmp_path, 3, sent(3, 2), sent(2, 1), sent(1, None)) == [
        (oid(1), None), (oid(2), oid(1)), (oid(3), oid(2)),
    ]


def test_of_a_circle_that_two_pushes_made_a_way_out_is_found(tmp_path: Path) -> None:
    ways = sent(1, 2), sent(2, 1), sent(2, 3), sent(3, None), sent(1, 4), sent(4, None)
    for order in (ways, ways[::-1]):
        for wanted in (1, 2):
            found = chosen(tmp_path, wanted, *order)
            placed: set[Oid | None] = {None}
            for each, base in found:
                assert base in placed
                placed.add(each)
            assert oid(wanted) in placed


def test_what_leads_nowhere_is_not_had(tmp_path: Path) -> None:
    assert chosen(tmp_path, 1, sent(1, 2), sent(2, 1)) == []
    assert chosen(tmp_path, 1, sent(1, 2)) == []
