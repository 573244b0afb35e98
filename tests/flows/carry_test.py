"""Operations that carry a change over: rebase, cherry-pick, revert, stash, am."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.testing import expected
from tests.testing.repository import Repo
from tests.testing.repository import after

M = 'm.safetensors'
BASE: dict[str, Any] = {'a': 1.0, 'b': [1.0, 2.0], 'c': [10.0]}
OURS: dict[str, Any] = {'a': 1.0, 'b': [3.0, 2.0], 'c': [11.0]}
THEIRS: dict[str, Any] = {'a': 5.0, 'b': [2.0, 4.0], 'c': [10.0]}
BOTH = {'a': 5.0, 'b': [4.0, 4.0], 'c': [11.0]}     # ours + (theirs - base)
TODO = {'GIT_SEQUENCE_EDITOR': 'true'}


@pytest.fixture
def diverged(repo: Repo) -> Repo:
    return after(repo, diverge)


def diverge(repo: Repo) -> None:
    repo.diverge(BASE, OURS, THEIRS)


@pytest.fixture
def stuck(repo: Repo) -> Repo:
    """Topic is two commits ahead; the first cannot be carried over to main."""
    return after(repo, get_ahead)


def get_ahead(repo: Repo) -> None:
    repo.diverge(*({'x': numpy.array([i]), 'y': float(i)} for i in (1, 2, 4)))
    repo.git('checkout', '-q', 'topic')
    repo.save(M, x=numpy.array([4]), y=8.0)
    repo.commit('more')
    repo.git('checkout', '-q', 'main')


def has(repo: Repo, **tensors: Any) -> None:
    """HEAD and the worktree have these tensors, and nothing is pending."""
    assert repo.manifest() == expected.manifest(**tensors)
    assert repo.load() == {
        name: expected.array(values).tolist() for name, values in tensors.items()
    }
    assert repo.status() == ''


@pytest.mark.parametrize('options', [
    (), ('--merge',), ('--apply',), ('-i',), ('--rebase-merges',), ('--force-rebase',),
])
def test_a_rebase_adds_the_change_to_the_new_base(
    diverged: Repo, options: tuple[str, ...],
) -> None:
    diverged.git('checkout', '-q', 'topic')
    diverged.git('rebase', '-q', *options, 'main', env=TODO)
    has(diverged, **BOTH)
    assert diverged.subjects('-3') == ['theirs', 'ours', 'base']


def test_a_rebase_replays_every_commit_by_itself(diverged: Repo) -> None:
    diverged.git('checkout', '-q', 'topic')
    diverged.save(M, a=5.0, b=[2.0, 8.0], c=[14.0])
    diverged.commit('more')
    diverged.git('rebase', '-q', 'main')
    has(diverged, a=5.0, b=[4.0, 8.0], c=[15.0])
    assert diverged.manifest(revision='HEAD~1') == expected.manifest(**BOTH)


def test_an_interactive_rebase_can_drop_and_squash(diverged: Repo) -> None:
    diverged.git('checkout', '-q', 'topic')
    for number in (6.0, 8.0):
        diverged.save(M, a=number, b=[2.0, number], c=[10.0])
        diverged.commit(f'{number:g}')
    diverged.git('rebase', '-q', '-i', 'main', env={
        'GIT_SEQUENCE_EDITOR': "sed -i -e '1s/^pick/drop/' -e '3s/^pick/fixup/'",
    })
    assert diverged.subjects('-2') == ['6', 'ours']
    # The two that stay turn a from 5 to 8 and b from [2, 4] to [2, 8]; ours has
    # a = 1 and b = [3, 2].
    has(diverged, a=4.0, b=[3.0, 6.0], c=[11.0])


def test_a_rebase_onto_leaves_the_rest_behind(diverged: Repo) -> None:
    diverged.git('checkout', '-q', 'topic')
    diverged.save(M, a=5.0, b=[2.0, 4.0], c=[30.0])
    diverged.commit('more')
    diverged.git('rebase', '-q', '--onto', 'main', 'topic~1')
    has(diverged, a=1.0, b=[3.0, 2.0], c=[31.0])


def test_an_aborted_rebase_brings_the_bytes_back(stuck: Repo) -> None:
    stuck.git('checkout', '-q', 'topic')
    before = stuck.sha256(M)
    done = stuck.run('git', 'rebase', 'main', code=1)
    assert '  x: both sides changed the same element of it\n' in done.err
    stuck.git('rebase', '--abort')
    assert stuck.sha256(M) == before
    assert stuck.status() == ''


@pytest.mark.parametrize('backend', ['--merge', '--apply'])
def test_a_rebase_goes_on_after_a_conflict_is_settled(
    stuck: Repo, backend: str,
) -> None:
    stuck.git('checkout', '-q', 'topic')
    done = stuck.run('git', 'rebase', backend, 'main', code=None)
    assert done.code
    assert stuck.status() == f'UU {M}\n'
    assert '\n<<<<<<< ' in stuck.read(M).decode()
    stuck.git('rebase', '--continue', code=None)
    assert stuck.status() == f'UU {M}\n'
    # In a rebase "ours" is the new base and "theirs" what is replayed.
    stuck.git('model', 'resolve', '--theirs', M)
    stuck.git('rebase', '--continue')
    has(stuck, x=numpy.array([4]), y=9.0)
    assert stuck.subjects('-3') == ['more', 'theirs', 'ours']


def test_a_rebase_can_skip_what_does_not_fit(stuck: Repo) -> None:
    stuck.git('checkout', '-q', 'topic')
    stuck.git('rebase', 'main', code=1)
    stuck.git('rebase', '--skip')
    has(stuck, x=numpy.array([2]), y=6.0)


def test_a_rebase_carries_uncommitted_work_along(diverged: Repo) -> None:
    diverged.git('checkout', '-q', 'topic')
    diverged.save(M, a=7.0, b=[2.0, 4.0], c=[10.0])
    diverged.git('rebase', '-q', '--autostash', 'main')
    assert diverged.manifest() == expected.manifest(**BOTH)
    assert diverged.load() == {**BOTH, 'a': 7.0}
    assert diverged.status() == f' M {M}\n'


def test_rebase_merges_makes_a_merge_anew_as_a_merge(repo: Repo) -> None:
    repo.diverge({'x': 1.0, 'z': 1.0}, {'x': 3.0, 'z': 1.0}, {'x': 7.0, 'z': 1.0})
    repo.git('merge', '-q', 'topic', '-m', 'merged')
    assert repo.load() == {'x': 5.0, 'z': 1.0}
    repo.git('checkout', '-q', '-b', 'upstream', 'main~1^')
    repo.save(M, x=1.0, z=2.0)
    repo.commit('upstream')
    repo.git('checkout', '-q', 'main')
    repo.git('rebase', '-q', '--rebase-merges', 'upstream')
    has(repo, x=5.0, z=2.0)
    assert sorted(repo.subjects('-4')) == ['merged', 'ours', 'theirs', 'upstream']


def test_a_cherry_pick_adds_one_commits_change(diverged: Repo) -> None:
    diverged.git('cherry-pick', '-x', 'topic')
    has(diverged, **BOTH)


def test_a_cherry_pick_of_several_adds_each(diverged: Repo) -> None:
    diverged.git('checkout', '-q', 'topic')
    for number in (6.0, 8.0):
        diverged.save(M, a=number, b=[2.0, number], c=[10.0])
        diverged.commit(f'{number:g}')
    diverged.git('checkout', '-q', 'main')
    diverged.git('cherry-pick', 'topic~2..topic')
    assert diverged.subjects('-3') == ['8', '6', 'ours']
    has(diverged, a=4.0, b=[3.0, 6.0], c=[11.0])


def test_a_cherry_pick_without_commit_only_stages(diverged: Repo) -> None:
    diverged.git('cherry-pick', '-n', 'topic')
    assert diverged.status() == f'M  {M}\n'
    assert diverged.load() == BOTH


def test_a_cherry_pick_goes_on_after_a_conflict_and_can_be_aborted(
    stuck: Repo,
) -> None:
    before = stuck.sha256(M)
    stuck.git('cherry-pick', 'topic~1', 'topic', code=1)
    stuck.git('cherry-pick', '--abort')
    assert stuck.sha256(M) == before
    stuck.git('cherry-pick', 'topic~1', 'topic', code=1)
    stuck.git('model', 'resolve', '--ours', M)
    stuck.git('cherry-pick', '--continue')
    # y is settled already when x is chosen: 2 + (4 - 1), then 5 + (8 - 4).
    has(stuck, x=numpy.array([2]), y=9.0)


def test_a_method_for_applying_can_be_chosen(diverged: Repo) -> None:
    diverged.git('-c', 'model.apply=theirs', 'cherry-pick', 'topic')
    has(diverged, a=5.0, b=[2.0, 4.0], c=[11.0])


def test_rules_for_merging_do_not_apply_to_a_cherry_pick(diverged: Repo) -> None:
    diverged.git('-c', 'model.merge=theirs', 'cherry-pick', 'topic')
    has(diverged, **BOTH)


def test_the_overflow_of_a_half_is_a_conflict(repo: Repo) -> None:
    repo.diverge(*({'x': numpy.array([x], 'f2')} for x in (0, 60000, 40000)))
    done = repo.run('git', 'cherry-pick', 'topic', code=1)
    assert '  x: the result overflows F16\n' in done.err
    repo.git('model', 'resolve', '--method=linear', M)
    repo.git('cherry-pick', '--continue')
    has(repo, x=numpy.array([50000], 'f2'))


def test_a_revert_takes_one_change_out_again(repo: Repo) -> None:
    for x, y in ((1.0, 1.0), (4.0, 1.0), (6.0, 2.0)):
        repo.save(M, x=x, y=y)
        repo.commit(f'{x:g}')
    repo.git('revert', '--no-edit', 'HEAD~1')
    has(repo, x=3.0, y=2.0)


def test_the_revert_of_a_pick_gives_the_bytes_back(diverged: Repo) -> None:
    before = diverged.sha256(M)
    diverged.git('cherry-pick', 'topic')
    diverged.git('revert', '--no-edit', 'HEAD')
    assert diverged.sha256(M) == before
    diverged.git('revert', '--no-edit', 'HEAD')
    has(diverged, **BOTH)


def test_a_merge_can_be_reverted(diverged: Repo) -> None:
    before = diverged.sha256(M)
    diverged.git('merge', '-q', 'topic', '-m', 'merged')
    diverged.git('revert', '--no-edit', '-m', '1', 'HEAD')
    assert diverged.sha256(M) == before
    assert diverged.status() == ''


def test_a_revert_in_conflict_can_be_settled(repo: Repo) -> None:
    for number in (1, 2, 3):
        repo.save(M, x=numpy.array([number]))
        repo.commit(str(number))
    repo.git('revert', '--no-edit', 'HEAD~1', code=1)
    repo.git('model', 'resolve', '--theirs', M)
    repo.git('revert', '--continue')
    has(repo, x=numpy.array([1]))


def test_a_stash_is_put_on_top_of_what_came_meanwhile(repo: Repo) -> None:
    repo.save(M, x=1.0, y=1.0)
    repo.commit('base')
    repo.save(M, x=3.0, y=1.0)
    repo.git('stash', '-q')
    assert repo.load() == {'x': 1.0, 'y': 1.0}
    repo.save(M, x=8.0, y=2.0)
    repo.commit('meanwhile')
    repo.git('stash', 'apply', '-q')
    assert repo.load() == {'x': 10.0, 'y': 2.0}
    repo.git('reset', '-q', '--hard')
    repo.git('stash', 'pop', '-q')
    assert repo.load() == {'x': 10.0, 'y': 2.0}
    assert repo.git('stash', 'list') == ''
    assert repo.status() == f' M {M}\n'


def test_a_stash_that_does_not_fit_is_kept(repo: Repo) -> None:
    repo.save(M, x=numpy.array([1]))
    repo.commit('base')
    repo.save(M, x=numpy.array([2]))
    repo.git('stash', '-q')
    repo.save(M, x=numpy.array([3]))
    repo.commit('meanwhile')
    done = repo.run('git', 'stash', 'pop', code=1)
    assert '  x: both sides changed the same element of it\n' in done.err
    assert repo.status() == f'UU {M}\n'
    assert len(repo.git('stash', 'list').splitlines()) == 1
    repo.git('model', 'resolve', '--theirs', M)
    assert repo.load() == {'x': [2]}
    repo.git('stash', 'drop', '-q')
    assert repo.status() == f'M  {M}\n'


def test_a_stash_becomes_a_branch(repo: Repo) -> None:
    repo.save(M, x=1.0)
    repo.commit('base')
    repo.save(M, x=3.0)
    repo.git('stash', '-q')
    repo.save(M, x=8.0)
    repo.commit('meanwhile')
    repo.git('stash', 'branch', 'stashed')
    assert repo.load() == {'x': 3.0}


def mail(repo: Repo, *revisions: str) -> list[str]:
    """Patches as format-patch writes them: of manifests, with whole blob ids."""
    folder = str(repo.path.parent / 'mail')
    return repo.git('format-patch', '-o', folder, *revisions).split()


def test_a_mailed_patch_is_applied(diverged: Repo) -> None:
    patches = mail(diverged, 'topic~1..topic')
    text = Path(patches[0]).read_text()
    for name in ('a', 'b'):
        assert f'\n-{expected.line(name, BASE[name])}' in text
        assert f'\n+{expected.line(name, THEIRS[name])}' in text
    diverged.git('checkout', '-q', '-b', 'other', 'topic~1')
    diverged.git('am', '-q', *patches)
    has(diverged, **THEIRS)


def test_am_falls_back_to_adding_the_change(diverged: Repo) -> None:
    patches = mail(diverged, 'topic~1..topic')
    diverged.git('am', '-q', *patches, code=128)
    diverged.git('am', '--abort')
    diverged.git('am', '-q', '-3', *patches)
    has(diverged, **BOTH)


def test_am_goes_on_after_a_conflict_is_settled(stuck: Repo) -> None:
    patches = mail(stuck, 'topic~2..topic')
    stuck.git('am', '-q', '-3', *patches, code=128)
    stuck.git('model', 'resolve', '--theirs', M)
    stuck.git('am', '--continue')
    has(stuck, x=numpy.array([4]), y=9.0)


def test_patches_of_manifests_are_applied_to_models(diverged: Repo) -> None:
    patch = diverged.git('diff', '--no-textconv', '--full-index', 'topic~1', 'topic')
    diverged.git('checkout', '-q', '-b', 'other', 'topic~1')
    diverged.git('apply', '--check', input=patch.encode())
    diverged.git('apply', input=patch.encode())
    assert diverged.load() == THEIRS
    assert diverged.status() == f' M {M}\n'
    diverged.git('apply', '-R', input=patch.encode())
    assert diverged.load() == BASE
    assert diverged.status() == ''
    diverged.git('apply', '--index', input=patch.encode())
    assert diverged.status() == f'M  {M}\n'
    diverged.git('apply', '--cached', '-R', input=patch.encode())
    assert diverged.status() == f' M {M}\n'
    assert diverged.load() == THEIRS


def test_a_patch_that_does_not_fit_is_merged(diverged: Repo) -> None:
    patch = diverged.git('diff', '--no-textconv', '--full-index', 'topic~1', 'topic')
    diverged.git('apply', input=patch.encode(), code=1)
    diverged.git('apply', '-3', input=patch.encode())
    assert diverged.load() == BOTH


def test_checkout_m_carries_uncommitted_work_to_another_branch(
    diverged: Repo,
) -> None:
    diverged.save(M, a=1.0, b=[3.0, 2.0], c=[20.0])
    diverged.git('checkout', 'topic', code=1)
    diverged.git('checkout', '-q', '-m', 'topic')
    # c was 11 and became 20; topic has 10.
    assert diverged.load() == {**THEIRS, 'c': [19.0]}
    assert diverged.status() == f' M {M}\n'


def test_merge_tree_makes_a_tree_and_touches_nothing(diverged: Repo) -> None:
    before = diverged.sha256(M)
    tree = diverged.git('merge-tree', '--write-tree', 'main', 'topic').strip()
    assert diverged.manifest(revision=tree) == expected.manifest(**BOTH)
    assert diverged.sha256(M) == before
    assert diverged.status() == ''
    diverged.git('read-tree', '-m', '-u', tree)
    assert diverged.load() == BOTH


def test_merge_tree_tells_of_a_conflict(stuck: Repo) -> None:
    done = stuck.run('git', 'merge-tree', '--write-tree', 'main', 'topic', code=1)
    assert f'CONFLICT (content): Merge conflict in {M}\n' in done.out
    tree = done.out.splitlines()[0]
    assert '\n<<<<<<< ' in stuck.manifest(revision=tree)
    assert stuck.status() == ''


def test_one_side_of_a_merge_can_be_picked(diverged: Repo) -> None:
    diverged.git('branch', 'other', 'main~1')
    diverged.git('merge', '-q', 'topic', '-m', 'merged')
    diverged.git('checkout', '-q', 'other')
    diverged.save(M, a=2.0, b=[1.0, 2.0], c=[10.0])
    diverged.commit('other')
    diverged.git('cherry-pick', '-m', '1', 'main')
    # What the merge changed of ours: a by 4, b from [3, 2] to [2.5, 3].
    has(diverged, a=6.0, b=[0.5, 3.0], c=[10.0])


def test_reverting_the_commit_that_added_a_model_deletes_it(repo: Repo) -> None:
    repo.save(M, x=1.0)
    repo.commit('add')
    digest = repo.sha256(M)
    repo.git('revert', '--no-edit', 'HEAD')
    assert not (repo.path / M).exists()
    repo.git('revert', '--no-edit', 'HEAD')
    assert repo.sha256(M) == digest
    assert repo.status() == ''
