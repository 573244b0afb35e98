"""Vocabularies of several versions, and the rows of an embedding they stand for."""
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.merging import tokens
from git_model_driver.merging.rows import Plan
from git_model_driver.merging.rows import Row
from git_model_driver.merging.rows import Side
from git_model_driver.merging.rows import plan_of_rows
from git_model_driver.merging.tokens import Union
from git_model_driver.merging.units.base import Unsettled
from tests.testing.properties import PROPERTY

LABELS = ('ours', 'theirs')
BASE = {0: 'a', 1: 'b'}


def files(**contents: Any) -> tokens.Read:
    """A folder with these files; ``_`` in a name is ``.`` where the ending begins."""
    found = {
        name.replace('__', '.'): data if isinstance(data, bytes) else (
            json.dumps(data).encode()
        )
        for name, data in contents.items()
    }
    return found.get


@pytest.mark.parametrize(('read', 'expected'), [
    (files(tokenizer__json={
        'model': {'type': 'BPE', 'vocab': {'a': 0, '<s>': 2, 'b': 1}},
        'added_tokens': [{'id': 2, 'content': '<s>'}, {'id': 5, 'content': '<x>'}],
    }), {0: 'a', 1: 'b', 2: '<s>', 5: '<x>'}),
    (files(tokenizer__json={
        'model': {'type': 'Unigram', 'vocab': [['<unk>', 0.0], ['a', -1.5]]},
        'added_tokens': None,
    }, vocab__txt=b'x\n'), {0: '<unk>', 1: 'a'}),
    (files(vocab__json={'a': 0, 'b': 1}, added_tokens__json={'<x>': 2}),
     {0: 'a', 1: 'b', 2: '<x>'}),
    (files(vocab__txt='[PAD]\r\né\n\n'.encode()), {0: '[PAD]', 1: 'é', 2: ''}),
    (files(), None),
    (files(config__json={'vocab_size': 2}), None),
    (files(tokenizer__json=b'{"model"'), None),
    (files(tokenizer__json=[]), None),
    (files(tokenizer__json={'model': {'vocab': {'a': 0, 'b': 0}}}), None),
    (files(vocab__txt=b'a\na\n'), None),
    (files(vocab__json={'a': -1}), None),
    (files(vocab__json={'a': 'x'}), None),
])
def test_a_vocabulary_is_read_from_the_files_there_are(
    read: tokens.Read, expected: Mapping[int, str] | None,
) -> None:
    assert tokens.read(read) == expected


@pytest.mark.parametrize(('ours', 'theirs', 'merged', 'moved'), [
    ({2: 'x'}, {2: 'y'}, {2: 'x', 3: 'y'}, {2: 3}),
    ({2: 'x'}, {2: 'x', 3: 'y'}, {2: 'x', 3: 'y'}, {}),
    ({2: 'x', 3: 'y'}, {2: 'y', 3: 'x'}, {2: 'x', 3: 'y'}, {2: 3, 3: 2}),
    ({2: 'x', 3: 'y'}, {2: 'y', 3: 'z', 4: 'w'},
     {2: 'x', 3: 'y', 4: 'z', 5: 'w'}, {2: 3, 3: 4, 4: 5}),
    ({9: 'x'}, {5: 'y'}, {9: 'x', 5: 'y'}, {}),             # as it is: nothing is taken
    ({9: 'x'}, {5: 'y', 9: 'z'}, {9: 'x', 10: 'y', 11: 'z'}, {5: 10, 9: 11}),
])
def test_ids_of_ours_stay_and_those_of_theirs_follow(
    ours: dict[int, str], theirs: dict[int, str], merged: dict[int, str],
    moved: dict[int, int],
) -> None:
    done = tokens.merge(BASE, ({**BASE, **ours}, {**BASE, **theirs}), LABELS)
    assert done == Union({**BASE, **merged}, ({}, moved))


def test_what_one_version_did_to_the_vocabulary_is_done() -> None:
    for other in ({0: 'b', 1: 'a'}, {0: 'a'}, {}, {0: 'a', 1: 'b', 7: 'x'}):
        for versions in ((BASE, other), (other, BASE), (other, other)):
            done = tokens.merge(BASE, versions, LABELS)
            assert done == Union(other, ({}, {}))


@pytest.mark.parametrize(('ours', 'theirs', 'why'), [
    ({0: 'b', 1: 'a'}, {**BASE, 2: 'x'}, 'tokens have other ids in ours'),
    ({**BASE, 2: 'x'}, {0: 'c', 1: 'b', 2: 'a'}, 'tokens have other ids in theirs'),
    ({0: 'a'}, {**BASE, 2: 'x'}, 'tokens were removed in ours'),
    ({0: 'a', 1: 'x'}, {0: 'a', 1: 'y'}, 'token 1 was replaced by different ones'),
    ({0: 'a', 1: 'x'}, {0: 'x', 1: 'b'}, 'two ids were given the same token'),
])
def test_what_is_not_only_added_on_both_sides_is_unsettled(
    ours: dict[int, str], theirs: dict[int, str], why: str,
) -> None:
    with pytest.raises(Unsettled) as raised:
        tokens.merge(BASE, (ours, theirs), LABELS)
    assert str(raised.value) == why


def test_a_token_that_one_side_replaced_in_place_is_replaced() -> None:
    done = tokens.merge(BASE, ({0: 'a', 1: 'tool'}, {**BASE, 2: 'x'}), LABELS)
    assert done == Union({0: 'a', 1: 'tool', 2: 'x'}, ({}, {}))


ids = st.integers(2, 8)
words = st.sampled_from('uvwxyz')
additions = st.lists(
    st.tuples(ids, words), max_size=5,
    unique_by=(lambda pair: pair[0], lambda pair: pair[1]),
).map(lambda pairs: {**BASE, **dict(pairs)})


@PROPERTY
@given(st.lists(additions, min_size=2, max_size=4))
def test_every_token_of_every_version_has_one_id(
    versions: list[dict[int, str]],
) -> None:
    done = tokens.merge(BASE, versions, [str(i) for i in range(len(versions))])
    merged = list(done.tokens.values())
    assert sorted(merged) == sorted({t for v in versions for t in v.values()})
    for version, moved in zip(versions, done.moved):
        for i, token in version.items():
            assert done.tokens[moved.get(i, i)] == token
    if any(version != BASE for version in versions[:1]):
        assert done.moved[0] == {}
    assert all(done.tokens[i] == token for i, token in BASE.items())




def rows(base: int, ours: int, theirs: int) -> Plan:
    return plan_of_rows(Side(base), (Side(ours), Side(theirs)), LABELS)


def test_without_tokenizers_one_side_may_add_rows() -> None:
    assert rows(2, 4, 2) == Plan(
        2, (Row(None, (2, None)), Row(None, (3, None))), ({}, {}),
    )
    assert rows(2, 2, 3) == Plan(2, (Row(None, (None, 2)),), ({}, {}))
    assert rows(2, 2, 2) == Plan(2, (), ({}, {}))


@pytest.mark.parametrize(('counts', 'why'), [
    ((2, 3, 3), 'rows were added on several sides, and no tokenizer of all of them '
                'says which is which'),
    ((2, 1, 2), 'rows were removed in ours'),
    ((2, 3, 1), 'rows were removed in theirs'),
])
def test_without_tokenizers_the_rest_is_unsettled(
    counts: tuple[int, int, int], why: str,
) -> None:
    with pytest.raises(Unsettled) as raised:
        rows(*counts)
    assert str(raised.value) == why


def plan(base: Side, ours: Side, theirs: Side) -> Plan:
    return plan_of_rows(base, (ours, theirs), LABELS)


def test_rows_are_aligned_by_token() -> None:
    assert plan(
        Side(2, BASE), Side(4, {**BASE, 2: 'x', 3: 'y'}),
        Side(4, {**BASE, 2: 'y', 3: 'z'}),
    ) == Plan(2, (
        Row(None, (2, None)), Row(None, (3, 2)), Row(None, (None, 3)),
    ), ({}, {2: 3, 3: 4}))


def test_padding_that_all_have_is_a_common_row() -> None:
    """Both took a row of the padding for a token of their own."""
    assert plan(
        Side(5, BASE), Side(5, {**BASE, 2: 'x'}), Side(5, {**BASE, 2: 'y'}),
    ) == Plan(2, (
        Row(None, (2, None)), Row(None, (None, 2)), Row(4, (4, 4)),
    ), ({}, {2: 3}))


def test_padding_of_one_side_fills_what_is_left() -> None:
    assert plan(
        Side(2, BASE), Side(3, {**BASE, 2: 'x'}), Side(6, {**BASE, 2: 'y'}),
    ) == Plan(2, (
        Row(None, (2, None)), Row(None, (None, 2)), Row(None, (None, 4)),
        Row(None, (None, 5)),
    ), ({}, {2: 3}))


def test_a_row_whose_token_moved_away_fills_a_hole() -> None:
    assert plan(
        Side(2, BASE), Side(3, {**BASE, 2: 'x'}), Side(5, {**BASE, 3: 'x', 4: 'y'}),
    ) == Plan(2, (
        Row(None, (2, 3)), Row(None, (None, 3)), Row(None, (None, 4)),
    ), ({}, {3: 2}))


@pytest.mark.parametrize(('base', 'ours', 'theirs', 'why'), [
    (Side(2, BASE), Side(3, BASE), Side(3, {**BASE, 2: 'x'}),
     'rows were added on several sides, and the tokenizer of ours has no token '
     'for them'),
    (Side(2, BASE), Side(2, {**BASE, 2: 'x'}), Side(3, BASE),
     'ours has more tokens than its 2 rows'),
    (Side(2, BASE), Side(2, BASE), Side(3, {0: 'b', 1: 'a', 2: 'x'}),
     'tokens have other ids in theirs'),
    (Side(2, BASE), Side(1, {0: 'a'}), Side(2, BASE), 'tokens were removed in ours'),
])
def test_with_tokenizers_that_do_not_fit_it_is_unsettled(
    base: Side, ours: Side, theirs: Side, why: str,
) -> None:
    with pytest.raises(Unsettled) as raised:
        plan(base, ours, theirs)
    assert str(raised.value) == why


paddings = st.integers(0, 3)


@PROPERTY
@given(st.lists(st.tuples(additions, paddings), min_size=2, max_size=3), paddings)
def test_every_row_of_the_plan_is_the_row_of_its_token(
    versions: list[tuple[dict[int, str], int]], padding: int,
) -> None:
    base = Side(2 + padding, BASE)
    given = [
        Side(max(max(tokens_) + 1 + more, base.rows), tokens_)
        for tokens_, more in versions
    ]
    labels = [str(i) for i in range(len(given))]
    grown = [side for side in given if side.rows > base.rows]
    if len(grown) > 1 and any(side.tokens == BASE for side in grown):
        with pytest.raises(Unsettled):
            plan_of_rows(base, given, labels)
        return
    done = plan_of_rows(base, given, labels)
    union = tokens.merge(BASE, [side.tokens or {} for side in given], labels)
    every = [Row(i, (i,) * len(given)) for i in range(done.common)] + list(done.tail)
    assert done.rows == len(every) == max(
        max(union.tokens) + 1, *(side.rows for side in given),
    )
    for place, row in enumerate(every):
        token = union.tokens.get(place)
        sources = [
            (side, i) for side, i in zip(given, row.versions) if i is not None
        ]
        assert sources
        assert all(0 <= i < side.rows for side, i in sources)
        if token is not None:
            assert all((side.tokens or {})[i] == token for side, i in sources)
            having = [side for side in given if token in (side.tokens or {}).values()]
            assert len(having) == len(sources)
        if row.base is not None:
            assert row.base == place < base.rows
            assert len(sources) == len(given)
        assert token is None or (row.base is not None) == (place in BASE)
