"""Extents are disjoint, or the same."""
from __future__ import annotations

import pytest

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor


def layout(*extents: tuple[int, int]) -> Layout:
    return Layout('any', 100, tuple(
        Tensor(str(i), 'U8', (length,), Extent(offset, length))
        for i, (offset, length) in enumerate(extents)
    ))


def test_extents_come_in_file_order_and_once() -> None:
    found = layout((50, 50), (0, 10), (50, 50), (30, 0), (10, 5)).extents()
    assert found == [(0, 10), (10, 5), (50, 50)]
    assert [extent.end for extent in found] == [10, 15, 100]


@pytest.mark.parametrize('extents', [
    [(0, 10), (9, 5)], [(0, 10), (0, 11)], [(90, 11)], [(100, 1)], [(0, 50), (10, 5)],
    [(-1, 5)],
])
def test_overlapping_extents_are_refused(extents: list[tuple[int, int]]) -> None:
    with pytest.raises(FormatError):
        layout(*extents).extents()
