"""Plain ``git merge`` on models."""
from __future__ import annotations

from tests.testing.repository import Repo


def diverge(repo: Repo) -> None:
    """base: a=1 b=[1,2] c=[10]; main: b=[3,2] c=[11]; topic: a=5 b=[2,4]."""
    repo.save('m.safetensors', a=1.0, b=[1.0, 2.0], c=[10.0])
    repo.commit('base')
    repo.git('checkout', '-q', '-b', 'topic')
    repo.save('m.safetensors', a=5.0, b=[2.0, 4.0], c=[10.0])
    repo.commit('topic')
    repo.git('checkout', '-q', 'main')
    repo.save('m.safetensors', a=1.0, b=[3.0, 2.0], c=[11.0])
    repo.commit('ours')


def test_a_merge_averages_what_both_changed_and_takes_the_rest(repo: Repo) -> None:
    diverge(repo)
    repo.git('merge', '-q', 'topic', '-m', 'merged')
    assert repo.load() == {'a': 5.0, 'b': [2.5, 3.0], 'c': [11.0]}
    assert repo.status() == ''


def test_a_rebase_applies_the_change(repo: Repo) -> None:
    diverge(repo)
    repo.git('checkout', '-q', 'topic')
    repo.git('rebase', '-q', 'main')
    assert repo.load() == {'a': 5.0, 'b': [4.0, 4.0], 'c': [11.0]}
