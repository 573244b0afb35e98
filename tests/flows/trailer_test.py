"""A merge commit says how models were merged."""
from __future__ import annotations

from pathlib import Path

from tests.testing.repository import Repo

M = 'm.safetensors'
SANITY = '; cosine of the changes 1.00, norm of the merged change 1.00 times their ' \
    'mean, sign conflicts 0 %'


def message(repo: Repo) -> str:
    return repo.git('log', '-1', '--format=%B').rstrip('\n')


def diverge(repo: Repo) -> None:
    repo.diverge({'x': [0.0], 'y': [0.0]}, {'x': [2.0], 'y': [0.0]},
                 {'x': [4.0], 'y': [1.0]})


def test_the_trailer_says_what_came_from_where(repo: Repo) -> None:
    diverge(repo)
    repo.git('merge', '-q', 'topic', '-m', 'merged\n\nBody.')
    assert message(repo) == (
        f'merged\n\nBody.\n\nModel-Merge: {M}: 1 from theirs, 1 by linear{SANITY}'
    )
    repo.git('commit', '-q', '--amend', '--no-edit')
    assert message(repo).count('Model-Merge') == 1


def test_a_merge_that_is_committed_later_has_it_too(repo: Repo) -> None:
    diverge(repo)
    repo.git('merge', '-q', '--no-commit', 'topic')
    repo.git('commit', '-q', '-m', 'later')
    assert message(repo) == (
        f'later\n\nModel-Merge: {M}: 1 from theirs, 1 by linear{SANITY}'
    )


def test_what_was_settled_by_hand_is_said(repo: Repo) -> None:
    diverge(repo)
    repo.git('-c', 'model.x.merge=conflict', 'merge', 'topic', code=1)
    repo.run('git-model', 'resolve', '--theirs', M)
    repo.git('commit', '-q', '--no-edit')
    line = f'Model-Merge: {M}: 1 from theirs, 1 conflict; with rules beside ' \
        '.gitmodel; settled by hand'
    assert line in message(repo).split('\n')


def test_other_commits_have_none(repo: Repo) -> None:
    diverge(repo)
    repo.git('merge', '-q', '--no-commit', 'topic')
    repo.git('merge', '--abort')
    repo.save(M, x=[7.0], y=[0.0])
    repo.commit('plain')
    assert message(repo) == 'plain'
    repo.git('rebase', '-q', 'topic')
    assert message(repo) == 'plain'


def test_a_later_merge_of_another_branch_has_its_own(repo: Repo) -> None:
    diverge(repo)
    repo.git('merge', '-q', '--no-commit', 'topic')
    repo.git('merge', '--abort')
    repo.git('branch', 'text', 'main~1')
    repo.git('checkout', '-q', 'text')
    repo.write('notes', 'text')
    repo.commit('text')
    repo.git('checkout', '-q', 'main')
    repo.git('merge', '-q', 'text', '-m', 'text only')
    assert message(repo) == 'text only'


def test_an_octopus_has_one(repo: Repo) -> None:
    repo.save(M, x=[0.0], y=[0.0])
    repo.commit('base')
    for name, value in (('a', 2.0), ('b', 4.0)):
        repo.git('checkout', '-q', '-b', name, 'main')
        repo.save(M, x=[value], y=[float(name == 'a')])
        repo.commit(name)
    repo.git('checkout', '-q', 'main')
    repo.git('merge', '-q', 'a', 'b', '-m', 'both')
    assert message(repo) == (
        f'both\n\nModel-Merge: {M}: 1 from a, 1 by linear; cosine of the changes 1.00, '
        'norm of the merged change 1.00 times their mean, sign conflicts 0 %'
    )


def test_a_linked_worktree_keeps_its_own(repo: Repo, tmp_path: Path) -> None:
    diverge(repo)
    there = Repo(tmp_path / 'there')
    repo.git('worktree', 'add', '-q', '--detach', str(there.path), 'main')
    there.git('merge', '-q', 'topic', '-m', 'there')
    assert message(there).startswith(f'there\n\nModel-Merge: {M}: ')


def test_garbage_among_the_records_harms_nothing(repo: Repo) -> None:
    diverge(repo)
    repo.write('.git/model/merges/x', b'\xff{')
    repo.git('merge', '-q', 'topic', '-m', 'merged')
    assert message(repo).count('Model-Merge') == 1


def test_weights_are_those_that_were_used(repo: Repo) -> None:
    diverge(repo)
    repo.git('-c', 'model.weight=0.3', 'merge', '-q', 'topic', '-m', 'merged')
    assert message(repo).startswith(
        f'merged\n\nModel-Merge: {M}: 1 from theirs, 1 by linear (0.7 0.3); '
        'with rules beside .gitmodel; cosine'
    )
