"""Whatever is cut short, wherever: nothing is lost, nothing half, and it goes on."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.faults import STORIES
from tests.testing.faults import Story
from tests.testing.faults import told
from tests.testing.params import slow_unless

SEED = 20261125
FEW = {'kill': 2, 'killall': 1, 'full': 1, 'once': 1}
QUICK = 'first add', 'merge', 'fetch', 'push', 'gc with prune'
MANY = {'kill': 64, 'killall': 14, 'full': 11, 'once': 7}


@pytest.mark.parametrize(
    'story', slow_unless(lambda story: story.name in QUICK, STORIES),
    ids=lambda story: story.name,
)
def test_a_story_goes_on_after_a_fault(story: Story, tmp_path: Path) -> None:
    _, failures = told(story, tmp_path, SEED, FEW)
    assert failures == []


@pytest.mark.slow
@pytest.mark.parametrize('story', STORIES, ids=lambda story: story.name)
def test_a_story_goes_on_after_a_fault_anywhere(story: Story, tmp_path: Path) -> None:
    """1,000 kill points and 200 of a full disk in all: benchmarks/faults.md."""
    _, failures = told(story, tmp_path, SEED + 1, MANY)
    assert failures == []
