"""``-X ours`` and ``-X theirs`` mean for tensors what they mean for lines."""
from __future__ import annotations

import sys

import pytest

from tests.testing.repository import Repo

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith('linux'), reason='read from /proc',
)


@pytest.fixture
def apart(repo: Repo) -> Repo:
    """base a=1 b=1; main a=3; topic a=5 b=2."""
    repo.save('m.safetensors', a=[1.0], b=[1.0])
    repo.commit('base')
    repo.git('checkout', '-q', '-b', 'topic')
    repo.save('m.safetensors', a=[5.0], b=[2.0])
    repo.commit('topic')
    repo.git('checkout', '-q', 'main')
    repo.save('m.safetensors', a=[3.0], b=[1.0])
    repo.commit('main')
    return repo


@pytest.mark.parametrize(
    ('option', 'a'),
    [
        (('-X', 'ours'), 3.0), (('-Xtheirs',), 5.0),
        (('--strategy-option=ours',), 3.0), (('--strategy-option', 'theirs'), 5.0),
        (('-X', 'patience'), 4.0),
    ],
)
def test_a_merge_takes_the_side_that_the_option_names(
    apart: Repo, option: tuple[str, ...], a: float,
) -> None:
    apart.git('merge', '-q', '-m', 'merged', *option, 'topic')
    assert apart.load() == {'a': [a], 'b': [2.0]}


def test_the_option_stands_above_rules(apart: Repo) -> None:
    apart.git('-c', 'model.merge=conflict', 'merge', '-q', '-X', 'ours', 'topic')
    assert apart.load() == {'a': [3.0], 'b': [2.0]}


def test_a_rebase_takes_the_side_too(apart: Repo) -> None:
    apart.git('checkout', '-q', 'topic')
    apart.git('rebase', '-q', '-X', 'theirs', 'main')
    assert apart.load() == {'a': [5.0], 'b': [2.0]}
