"""Commits in lanes."""
from __future__ import annotations

from git_model_driver.history import lanes
from git_model_driver.history.lanes import Line


def test_a_straight_history_has_one_lane() -> None:
    drawn = lanes.draw([('c', ['b']), ('b', ['a']), ('a', [])])
    assert drawn == ((0, 0, 0), (Line(0, 1, 0), Line(1, 2, 0)))
    assert drawn.width == 1


def test_a_branch_has_a_lane_from_its_merge_to_its_start() -> None:
    drawn = lanes.draw([
        ('m', ['o', 't']), ('t', ['b']), ('o', ['b']), ('b', []), ('z', []),
    ])
    assert drawn.lanes == (0, 1, 0, 1, 0)
    assert drawn.lines == (
        Line(0, 2, 0), Line(0, 1, 1), Line(1, 3, 1), Line(2, 3, 1),
    )


def test_what_is_not_shown_ends_its_lane() -> None:
    drawn = lanes.draw([('c', ['x', 'y']), ('b', ['a']), ('a', [])])
    assert drawn.lanes == (0, 0, 0)
    assert [line.parent for line in drawn.lines] == [None, None, 2]
    assert lanes.draw([]).width == 1
