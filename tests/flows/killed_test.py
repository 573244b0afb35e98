"""Whatever is cut short, wherever: nothing is lost, nothing half, and it goes on."""
from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.testing.faults import STORIES
from tests.testing.faults import Story
from tests.testing.faults import World

SEED = 1
POINTS = (('kill', 8), ('killall', 3), ('full', 6), ('once', 3))


@pytest.mark.parametrize('story', STORIES, ids=lambda story: story.name)
def test_a_story_goes_on_after_any_fault(story: Story, tmp_path: Path) -> None:
    world = World(story, tmp_path)
    rng = random.Random(f'{SEED} {story.name}')
    for kind, count in POINTS:
        for at in world.points(kind, count, rng):
            world.survive(kind, at)
