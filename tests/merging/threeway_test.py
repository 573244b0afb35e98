"""The rule before every method."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.merging.threeway import Decision
from git_model_driver.merging.threeway import Who
from git_model_driver.merging.threeway import decide
from git_model_driver.merging.threeway import decide_all
from tests.testing.properties import PROPERTY

values = st.none() | st.integers(0, 3)
sides = st.dictionaries(st.sampled_from('abcd'), st.integers(0, 3))
SWAPPED = {0: 1, 1: 0}


@pytest.mark.parametrize(('base', 'ours', 'theirs', 'who', 'value', 'changed'), [
    (1, 1, 1, Who.NEITHER, 1, ()),
    (None, None, None, Who.NEITHER, None, ()),
    (1, 2, 1, Who.ONE, 2, (0,)),
    (1, 1, 2, Who.ONE, 2, (1,)),
    (1, 2, 2, Who.SAME, 2, (0, 1)),
    (None, 2, 2, Who.SAME, 2, (0, 1)),
    (None, 2, None, Who.ONE, 2, (0,)),
    (None, None, 2, Who.ONE, 2, (1,)),
    (1, None, 1, Who.ONE, None, (0,)),
    (1, 1, None, Who.ONE, None, (1,)),
    (1, None, None, Who.SAME, None, (0, 1)),
    (1, 2, 3, Who.MANY, None, (0, 1)),
    (None, 2, 3, Who.MANY, None, (0, 1)),
    (1, None, 3, Who.MANY, None, (0, 1)),
    (1, 2, None, Who.MANY, None, (0, 1)),
])
def test_a_change_of_one_side_is_that_sides(
    base: int | None, ours: int | None, theirs: int | None, who: Who, value: int | None,
    changed: tuple[int, ...],
) -> None:
    assert decide(base, ours, theirs) == Decision(who, value, changed)


@PROPERTY
@given(values, values, values)
def test_swapping_the_sides_swaps_the_answer(
    base: int | None, ours: int | None, theirs: int | None,
) -> None:
    one = decide(base, ours, theirs)
    changed = tuple(sorted(SWAPPED[i] for i in one.changed))
    assert decide(base, theirs, ours) == Decision(one.who, one.value, changed)


@PROPERTY
@given(values, values)
def test_merging_with_oneself_or_with_the_base_changes_nothing(
    base: int | None, ours: int | None,
) -> None:
    assert decide(base, ours, ours).value == ours
    assert decide(base, ours, base).value == ours
    assert decide(base, base, ours).value == ours
    assert decide(ours, ours, base).value == base


@PROPERTY
@given(values, values, values)
def test_only_a_change_on_both_sides_is_open(
    base: int | None, ours: int | None, theirs: int | None,
) -> None:
    who = decide(base, ours, theirs).who
    assert (who is Who.MANY) == (len({base, ours, theirs}) == 3)


@PROPERTY
@given(sides, sides, sides)
def test_each_name_is_decided_by_itself(
    base: dict[str, int], ours: dict[str, int], theirs: dict[str, int],
) -> None:
    found = decide_all(base, ours, theirs)
    assert found.keys() == base.keys() | ours.keys() | theirs.keys()
    for name, decision in found.items():
        assert decision == decide(base.get(name), ours.get(name), theirs.get(name))


@PROPERTY
@given(values, st.lists(values, max_size=5))
def test_any_number_of_versions_is_decided_by_those_that_changed_it(
    base: int | None, versions: list[int | None],
) -> None:
    found = decide(base, *versions)
    changed = [value for value in versions if value != base]
    assert [versions[i] for i in found.changed] == changed
    assert (found.who is Who.MANY) == (len(set(changed)) > 1)
    if found.who is not Who.MANY:
        assert found.value == (changed[0] if changed else base)
