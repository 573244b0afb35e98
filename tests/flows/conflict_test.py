"""Merges that need an answer, and all the ways to give it."""
from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy
import pytest
import safetensors.numpy

from tests.testing import expected
from tests.testing.repository import Repo
from tests.testing.repository import after

M = 'm.safetensors'
BASE: dict[str, Any] = {'a': 1.0, 'b': [1.0, 2.0], 'c': [10.0], 'd': 0.0}
OURS: dict[str, Any] = {'a': 3.0, 'b': [3.0, 2.0], 'c': [11.0], 'd': 0.0}
THEIRS: dict[str, Any] = {'a': 5.0, 'b': [2.0, 4.0], 'c': [10.0], 'd': 9.0}
RULES = '[model "[ab]"]\n\tmerge = conflict\n'
REASON = 'both sides changed it (rule at .gitmodel:2)'
UNSETTLED = (
    "error: 'm.safetensors' has 2 conflicts left to settle\n"
    'hint: see them with "git model resolve --list m.safetensors", settle them with '
    '"git model resolve --ours|--theirs|--base m.safetensors [<tensor>...]"\n'
)


def hunk(name: str, ours: Any, theirs: Any, reason: str) -> str:
    """A tensor between markers; None is a side that lacks it."""
    sides = ['' if x is None else expected.line(name, x) for x in (ours, theirs)]
    return expected.marked(*sides, reason, expected.labels('HEAD', 'topic'))


CONFLICTED = (
    f'{expected.HEAD}\n'
    + hunk('a', 3.0, 5.0, REASON)
    + hunk('b', [3.0, 2.0], [2.0, 4.0], REASON)
    + expected.line('c', [11.0]) + expected.line('d', 9.0)
)


@pytest.fixture
def conflicted(repo: Repo) -> Repo:
    """A merge of topic into main stopped at the tensors a and b."""
    return after(repo, stop_at_two)


def stop_at_two(repo: Repo) -> None:
    repo.write('.gitmodel', RULES)
    repo.commit('rules')
    repo.diverge(BASE, OURS, THEIRS)
    done = repo.run('git', 'merge', 'topic', code=1)
    assert done.err == (
        'm.safetensors: 1 from ours, 1 from theirs, 2 conflicts\n'
        f'  a: {REASON}\n'
        f'  b: {REASON}\n'
        'hint: settle them with "git model resolve --ours|--theirs|--base '
        'm.safetensors [<tensor>...]"\n'
    )
    assert done.out == (
        'Auto-merging m.safetensors\n'
        'CONFLICT (content): Merge conflict in m.safetensors\n'
        'Automatic merge failed; fix conflicts and then commit the result.\n'
    )


def conclude(repo: Repo, **tensors: Any) -> None:
    """Commit the merge and check all that there is to check."""
    assert repo.status() == 'M  m.safetensors\n'
    repo.git('commit', '-q', '-m', 'merged')
    assert repo.status() == ''
    assert len(repo.git('rev-list', '--parents', '-1', 'HEAD').split()) == 3
    assert repo.manifest() == expected.manifest(**tensors)
    repo.git('model', 'checkout')
    assert repo.load() == {
        name: expected.array(values).tolist() for name, values in tensors.items()
    }
    assert repo.status() == ''
    repo.git('model', 'fsck')


def stop(repo: Repo, base: Any, ours: Any, theirs: Any, reason: str) -> None:
    """A merge of {x} and {x} that cannot be settled, for the reason."""
    repo.diverge(*(
        {'y': 1.0} if side is None else {'x': side, 'y': 1.0}
        for side in (base, ours, theirs)
    ))
    repo.git('merge', '-q', 'topic', code=1)
    assert repo.status() == f'UU {M}\n'
    assert repo.read(M).decode() == (
        f'{expected.HEAD}\n{hunk("x", ours, theirs, reason)}{expected.line("y", 1.0)}'
    )


def test_only_the_unsettled_tensors_stand_between_markers(conflicted: Repo) -> None:
    assert conflicted.read(M).decode() == CONFLICTED
    assert conflicted.status() == 'UU m.safetensors\n'
    stages = conflicted.git('ls-files', '-u').splitlines()
    assert [line.split()[2] for line in stages] == ['1', '2', '3']


def test_git_refuses_to_add_what_is_unsettled(conflicted: Repo) -> None:
    for command in (('add', M), ('add', '.'), ('commit', '-a', '-m', 'x')):
        done = conflicted.run('git', *command, code=128)
        assert done.err == f"{UNSETTLED}fatal: {M}: clean filter 'model' failed\n"
        assert conflicted.status() == 'UU m.safetensors\n'
        assert conflicted.read(M).decode() == CONFLICTED
    conflicted.git('commit', '-m', 'x', code=128)


def test_git_shows_a_conflict(conflicted: Repo) -> None:
    done = conflicted.run('git', 'diff')
    assert done.err == ''
    assert done.out.startswith('diff --cc m.safetensors\n')
    names = expected.labels('HEAD', 'topic')
    opening = f'<<<<<<< {names[0]}: {REASON}\n'
    assert f'++{opening}' in done.out
    assert done.out.count('\n++=======\n') == 2
    patch = conflicted.git('diff', '--ours')
    assert patch.split(' @@\n')[1] == (
        f' {expected.SUMMARY} format safetensors\n \n'
        f'+{opening} {expected.shown("a", 3.0)}+=======\n'
        f'+{expected.shown("a", 5.0)}+>>>>>>> {names[1]}\n'
        f'+{opening} {expected.shown("b", [3.0, 2.0])}+=======\n'
        f'+{expected.shown("b", [2.0, 4.0])}+>>>>>>> {names[1]}\n'
        f' {expected.shown("c", [11.0])}'
        f'-{expected.shown("d", 0.0)}+{expected.shown("d", 9.0)}'
    )
    for options in (('--theirs',), ('--base',), ('HEAD',), ('--stat',)):
        conflicted.git('diff', *options)
    assert 'both modified:   m.safetensors' in conflicted.git('status')
    assert conflicted.git('diff', '--name-only', '--diff-filter=U').split() == [M]
    assert conflicted.git('ls-files', '-m').split() in ([M], [M] * 3)
    conflicted.git('diff', '--quiet', code=1)
    conflicted.git('stash', code=1)
    assert conflicted.read(M).decode() == CONFLICTED


def test_the_stages_of_a_conflict_can_be_had_as_models(conflicted: Repo) -> None:
    for stage, values in (('1', BASE), ('2', OURS), ('3', THEIRS)):
        assert conflicted.manifest(revision=f':{stage}') == expected.manifest(**values)
        names = conflicted.git('checkout-index', '--temp', f'--stage={stage}', M)
        assert conflicted.load(names.split('\t')[0]) == values


def test_resolve_lists_what_is_unsettled(conflicted: Repo) -> None:
    listed = conflicted.git('model', 'resolve', '--list', M)
    assert listed == f'a: {REASON}\nb: {REASON}\n'


@pytest.mark.parametrize(('side', 'a', 'b'), [
    (('--ours',), 3.0, [3.0, 2.0]),
    (('--theirs',), 5.0, [2.0, 4.0]),
    (('--base',), 1.0, [1.0, 2.0]),
    (('--method=linear',), 4.0, [2.5, 3.0]),
    (('--method=linear', '-p', 'weight=0.25'), 3.5, [2.75, 2.5]),
    (('--method=apply',), 7.0, [4.0, 4.0]),
])
def test_resolve_settles_everything_at_once(
    conflicted: Repo, side: tuple[str, ...], a: Any, b: Any,
) -> None:
    said = conflicted.git('model', 'resolve', *side, M)
    assert said == 'm.safetensors: settled and staged\n'
    assert conflicted.load() == {'a': a, 'b': b, 'c': [11.0], 'd': 9.0}
    conclude(conflicted, a=a, b=b, c=[11.0], d=9.0)


def test_resolve_settles_glob_by_glob(conflicted: Repo) -> None:
    said = conflicted.git('model', 'resolve', '--theirs', M, 'b')
    assert said == 'm.safetensors: 1 conflict left\n'
    assert conflicted.read(M).decode() == (
        f'{expected.HEAD}\n{hunk("a", 3.0, 5.0, REASON)}'
        + expected.line('b', [2.0, 4.0])
        + expected.line('c', [11.0]) + expected.line('d', 9.0)
    )
    conflicted.git('add', M, code=128)
    said = conflicted.git('model', 'resolve', '--method=linear', M, '?')
    assert said == 'm.safetensors: settled and staged\n'
    conclude(conflicted, a=4.0, b=[2.0, 4.0], c=[11.0], d=9.0)


def test_a_glob_that_matches_nothing_unsettled_is_an_error(conflicted: Repo) -> None:
    command = ('git', 'model', 'resolve', '--ours', M, 'a', 'nope')
    done = conflicted.run(*command, code=None)
    assert done.code != 0
    assert 'nope' in done.err
    assert conflicted.read(M).decode() == CONFLICTED


def test_resolve_works_in_a_subfolder(conflicted: Repo) -> None:
    (conflicted.path / 'sub').mkdir()
    conflicted.git('-C', 'sub', 'model', 'resolve', '--ours', f'../{M}')
    conclude(conflicted, a=3.0, b=[3.0, 2.0], c=[11.0], d=9.0)


@pytest.mark.parametrize(('arguments', 'code', 'said'), [
    (('--ours', 'other.safetensors'), 128, "cannot read 'other.safetensors'"),
    (('--ours', '.gitmodel'), 128, "'.gitmodel' has no conflict to settle"),
    (('--ours', '../elsewhere'), 129, 'outside the repository'),
    (('--method=linear', '-p', 'wait=1', M), 129,
     "'wait=1' is no parameter of 'linear'"),
    (('--method=liner', M), 129, 'liner'),
    ((M,), 128, UNSETTLED),
])
def test_a_wrong_resolve_changes_nothing(
    conflicted: Repo, arguments: tuple[str, ...], code: int, said: str,
) -> None:
    done = conflicted.run('git', 'model', 'resolve', *arguments, code=code)
    assert said in done.err
    assert 'Traceback' not in done.err
    assert conflicted.read(M).decode() == CONFLICTED


def test_markers_edited_by_hand_can_be_added(conflicted: Repo) -> None:
    conflicted.write(M, (
        f'{expected.HEAD}\n' + expected.line('a', 5.0) + expected.line('b', [3.0, 2.0])
        + expected.line('c', [11.0]) + expected.line('d', 9.0)
    ))
    conflicted.git('add', M)
    assert conflicted.git('model', 'checkout') == 'Wrote 1 model.\n'
    conclude(conflicted, a=5.0, b=[3.0, 2.0], c=[11.0], d=9.0)


def test_a_slip_in_editing_by_hand_is_refused(conflicted: Repo) -> None:
    conflicted.write(M, CONFLICTED.replace('<<<<<<<', '').replace('=======\n', ''))
    done = conflicted.run('git', 'add', M, code=128)
    assert f"'{M}'" in done.err
    assert conflicted.status() == 'UU m.safetensors\n'


def test_a_summary_is_not_added_in_place_of_a_model(conflicted: Repo) -> None:
    """The merge editor of VS Code writes what it has from ``git show --textconv``."""
    conflicted.git('config', 'core.quotePath', 'true')
    conflicted.write(M, conflicted.git('show', '--textconv', f':3:{M}'))
    again = 'git checkout -m -- m.safetensors'
    for command in (('add', '-A', '--', M), ('commit', '-a', '-m', 'x')):
        done = conflicted.run('git', *command, code=128)
        assert done.err == (
            "error: 'm.safetensors' is the summary of a model, not a model\n"
            f'hint: bring the conflicts back with "{again}", settle them with '
            '"git model resolve --ours|--theirs|--base m.safetensors [<tensor>...]"\n'
            f"fatal: {M}: clean filter 'model' failed\n"
        )
    assert conflicted.status() == 'UU m.safetensors\n'
    conflicted.run(*again.split())
    conflicted.git('model', 'resolve', '--theirs', M)
    conclude(conflicted, a=5.0, b=[2.0, 4.0], c=[11.0], d=9.0)
    name = "it's ü.safetensors"
    conflicted.write(name, conflicted.git('show', '--textconv', f'HEAD:{M}'))
    done = conflicted.run('git', 'add', '.', code=128)
    assert done.err.startswith(
        f'error: \'{name}\' is the summary of a model, not a model\nhint: bring the '
        "model back with \"git checkout -- 'it'\\''s ü.safetensors'\"\n"
    )


def spaced(tensors: Any) -> bytes:
    """A safetensors file that is not written as the canonical writer does."""
    data = safetensors.numpy.save(tensors)
    length = int.from_bytes(data[:8], 'little')
    header = json.dumps(json.loads(data[8:8 + length])).encode()
    return len(header).to_bytes(8, 'little') + header + data[8 + length:]


def test_what_an_editor_settled_is_put_together(repo: Repo) -> None:
    """Its layout still is that of the tensor that was not taken."""
    sides = [numpy.full(n, n, 'f4') for n in (4, 5, 6)]
    repo.fork(*(
        partial(repo.write, M, spaced({'x': x, 'y': sides[0]})) for x in sides
    ))
    repo.git('merge', '-q', 'topic', code=1)
    for command in ('add', M), ('model', 'resolve', M):
        done = repo.run('git', *command, code=128)
        assert "'m.safetensors' has 1 conflict left to settle" in done.err
    text = repo.read(M).decode()
    taken = text[text.index('tensor x F32 6'):].splitlines(keepends=True)
    assert taken.pop(1).startswith('>>>>>>> ')
    repo.write(M, text[:text.index('<<<<<<<')] + ''.join(taken))
    done = repo.run('git', 'add', M, code=128)
    assert done.err == (
        "error: 'm.safetensors': the layout and the tensor 'x' do not fit together\n"
        'hint: have a layout found with "git model resolve m.safetensors"\n'
        f"fatal: {M}: clean filter 'model' failed\n"
    )
    said = repo.git('model', 'resolve', M)
    assert said == 'm.safetensors: settled and staged\n'
    assert repo.read(M) == spaced({'x': sides[2], 'y': sides[0]})
    assert repo.status() == 'M  m.safetensors\n'


@pytest.mark.parametrize(('side', 'values'), [('--ours', OURS), ('--theirs', THEIRS)])
def test_git_can_take_one_side_whole(
    conflicted: Repo, side: str, values: dict[str, Any],
) -> None:
    conflicted.git('checkout', '-q', side, '--', M)
    assert conflicted.load() == values
    conflicted.git('add', M)
    conflicted.git('commit', '-q', '-m', 'merged')
    assert conflicted.manifest() == expected.manifest(**values)
    assert conflicted.status() == ''


def test_a_model_saved_over_the_conflict_settles_it(conflicted: Repo) -> None:
    conflicted.save(M, a=8.0)
    conflicted.git('add', M)
    conclude(conflicted, a=8.0)


def test_checkout_m_makes_the_conflict_anew(conflicted: Repo) -> None:
    conflicted.git('checkout', '-q', '--ours', '--', M)
    conflicted.run('git', 'checkout', '-m', '--', M)
    assert conflicted.status() == 'UU m.safetensors\n'
    settled = conflicted.read(M).decode()
    assert [line for line in settled.splitlines() if line[0:1] not in '<>'] == (
        [line for line in CONFLICTED.splitlines() if line[0:1] not in '<>']
    )
    conflicted.git('model', 'resolve', '--theirs', M)
    conclude(conflicted, a=5.0, b=[2.0, 4.0], c=[11.0], d=9.0)


def test_an_abort_after_half_the_work_brings_everything_back(repo: Repo) -> None:
    repo.write('.gitmodel', RULES)
    repo.commit('rules')
    repo.diverge(BASE, OURS, THEIRS)
    before = repo.sha256(M)
    repo.git('merge', 'topic', code=1)
    repo.git('model', 'resolve', '--theirs', M, 'a')
    repo.git('merge', '--abort')
    assert repo.sha256(M) == before
    assert repo.status() == ''


def test_mergetool_is_given_three_models(conflicted: Repo) -> None:
    conflicted.git('config', 'mergetool.pick.cmd', (
        'cp "$REMOTE" "$MERGED"; cp "$BASE" base.safetensors;'
        ' cp "$LOCAL" local.safetensors'
    ))
    conflicted.git('config', 'mergetool.pick.trustExitCode', 'true')
    conflicted.git('config', 'mergetool.keepBackup', 'false')
    conflicted.git('mergetool', '-y', '--tool=pick')
    assert conflicted.load() == THEIRS
    assert conflicted.load('base.safetensors') == BASE
    assert conflicted.load('local.safetensors') == OURS
    assert conflicted.status().splitlines()[0] == 'M  m.safetensors'


def test_a_settled_conflict_can_be_a_stash_after_the_merge(conflicted: Repo) -> None:
    conflicted.git('model', 'resolve', '--ours', M)
    conflicted.git('merge', '--continue')
    assert conflicted.status() == ''
    assert conflicted.subjects('-1', '--first-parent') == ["Merge branch 'topic'"]


@pytest.mark.parametrize(('base', 'ours', 'theirs', 'reason'), [
    ([1.0], [1.0, 2.0], [1.0, 2.0, 3.0], 'shapes differ: ours 2, theirs 3'),
    ([1.0], [2.0], [1.0, 3.0], 'shapes differ: ours 1, theirs 2'),
    ([1.0, 2.0], [[3.0, 4.0]], [[5.0, 6.0]], 'both sides changed its dtype or shape'),
    ([1.0], [2.0], None, 'changed in ours, deleted in theirs'),
    ([1.0], None, [2.0], 'deleted in ours, changed in theirs'),
    ([1.0], [2.0], [float('nan')],
     'both sides changed it, and it holds NaN or infinity'),
    ([1.0], [-float('inf')], [2.0],
     'both sides changed it, and it holds NaN or infinity'),
    (numpy.array([1]), numpy.array([2]), numpy.array([3]),
     'both sides changed the same element of it'),
    (numpy.array([1, 2, 3]), numpy.array([2, 3, 3]), numpy.array([3, 4, 4]),
     'both sides changed the same 2 of its 3 elements'),
    (numpy.array([1.0], 'f4'), numpy.array([2.0], 'f2'), numpy.array([2.0], 'f8'),
     'dtypes differ: ours F16, theirs F64'),
])
def test_what_has_no_mean_is_a_conflict(
    repo: Repo, base: Any, ours: Any, theirs: Any, reason: str,
) -> None:
    stop(repo, base, ours, theirs, reason)
    repo.git('model', 'resolve', '--theirs', M)
    kept = {} if theirs is None else {'x': theirs}
    assert repo.git('show', f':{M}') == expected.manifest(**kept, y=1.0)
    repo.git('commit', '-q', '-m', 'merged')
    assert repo.status() == ''


def test_a_tensor_added_on_both_sides_is_a_conflict(repo: Repo) -> None:
    repo.diverge({'y': 1.0}, {'x': 2.0, 'y': 1.0}, {'x': 4.0, 'y': 1.0})
    repo.git('merge', '-q', 'topic', code=1)
    reason = 'added on both sides with different values'
    assert repo.read(M).decode() == (
        f'{expected.HEAD}\n{hunk("x", 2.0, 4.0, reason)}{expected.line("y", 1.0)}'
    )
    repo.git('model', 'resolve', '--method=linear', M)
    assert repo.load() == {'x': 3.0, 'y': 1.0}


def test_the_same_tensor_added_on_both_sides_is_none(repo: Repo) -> None:
    repo.diverge({'y': 1.0}, {'x': 2.0, 'y': 3.0}, {'x': 2.0, 'y': 1.0})
    repo.git('merge', '-q', 'topic', '-m', 'merged')
    assert repo.load() == {'x': 2.0, 'y': 3.0}


def test_a_model_added_on_both_sides_conflicts_tensor_by_tensor(repo: Repo) -> None:
    repo.git('checkout', '-q', '-b', 'topic')
    repo.save(M, same=1.0, x=2.0)
    repo.commit('theirs')
    repo.git('checkout', '-q', 'main')
    repo.save(M, same=1.0, x=4.0, z=5.0)
    repo.commit('ours')
    repo.git('merge', '-q', 'topic', code=1)
    assert repo.status() == f'AA {M}\n'
    reason = 'added on both sides with different values'
    assert repo.read(M).decode() == (
        f'{expected.HEAD}\n' + expected.line('same', 1.0)
        + hunk('x', 4.0, 2.0, reason) + expected.line('z', 5.0)
    )
    done = repo.run('git', 'model', 'resolve', '--base', M, code=128)
    assert 'no common ancestor' in done.err
    repo.git('model', 'resolve', '--ours', M)
    repo.git('commit', '-q', '-m', 'merged')
    assert repo.load() == {'same': 1.0, 'x': 4.0, 'z': 5.0}
    assert repo.status() == ''


def test_unrelated_histories_conflict_tensor_by_tensor(repo: Repo) -> None:
    repo.save(M, x=2.0, y=1.0)
    repo.commit('ours')
    repo.git('checkout', '-q', '--orphan', 'topic')
    repo.save(M, x=6.0, y=1.0)
    repo.commit('theirs')
    repo.git('checkout', '-q', 'main')
    repo.git('merge', '-q', 'topic', code=128)
    repo.git('merge', '-q', 'topic', '--allow-unrelated-histories', code=1)
    reason = 'added on both sides with different values'
    assert repo.read(M).decode() == (
        f'{expected.HEAD}\n{hunk("x", 2.0, 6.0, reason)}{expected.line("y", 1.0)}'
    )
    repo.git('model', 'resolve', '--theirs', M)
    repo.git('commit', '-q', '-m', 'merged')
    assert repo.load() == {'x': 6.0, 'y': 1.0}


@pytest.mark.parametrize('deleted', ['main', 'topic'])
def test_a_model_deleted_here_and_changed_there_is_gits_conflict(
    repo: Repo, deleted: str,
) -> None:
    repo.diverge({'x': 1.0}, {'x': 2.0}, {'x': 2.0})
    repo.git('checkout', '-q', '-B', deleted, 'main~1')
    repo.git('rm', '-q', M)
    repo.git('commit', '-q', '-m', 'delete')
    repo.git('checkout', '-q', 'main')
    repo.git('merge', '-q', 'topic', code=1)
    assert repo.status() == f'{"DU" if deleted == "main" else "UD"} {M}\n'
    assert repo.load() == {'x': 2.0}
    repo.git('add', M)
    repo.git('commit', '-q', '-m', 'keep it')
    assert repo.status() == ''
    assert repo.manifest() == expected.manifest(x=2.0)
    repo.git('reset', '-q', '--hard', 'HEAD^1')
    repo.git('merge', '-q', 'topic', code=1)
    repo.git('rm', '-q', M)
    repo.git('commit', '-q', '-m', 'delete it')
    assert repo.status() == ''


def test_a_model_cannot_be_resolved_where_one_side_deleted_it(repo: Repo) -> None:
    repo.diverge({'x': 1.0}, {'x': 2.0}, {'x': 3.0})
    repo.git('rm', '-q', M)
    repo.git('commit', '-q', '-m', 'delete')
    repo.git('merge', '-q', 'topic', code=1)
    done = repo.run('git', 'model', 'resolve', '--ours', M, code=128)
    assert done.err.startswith('error: ')
    assert '\nhint: ' in done.err


def test_metadata_changed_on_both_sides_is_a_conflict(repo: Repo) -> None:
    repo.fork(*(partial(repo.save, M, {'k': value}, x=1.0) for value in '132'))
    repo.git('merge', '-q', 'topic', code=1)
    reason = 'both sides changed it'
    names = expected.labels('HEAD', 'topic')
    marked = expected.marked('meta "k" "3"\n', 'meta "k" "2"\n', reason, names)
    text = f'{expected.HEAD}{marked}\n{expected.line("x", 1.0)}'
    assert repo.read(M).decode() == text
    repo.git('model', 'resolve', '--method=linear', M, code=129)
    assert repo.git('model', 'resolve', '--list', M) == f'meta k: {reason}\n'
    repo.git('model', 'resolve', '--theirs', M, 'meta k')
    assert 'meta "k" "2"\n' in repo.git('show', f':{M}')


def test_a_tensor_that_is_missing_is_named_with_its_cure(repo: Repo) -> None:
    repo.diverge({'x': 1.0, 'y': 1.0}, {'x': 2.0, 'y': 1.0}, {'x': 4.0, 'y': 9.0})
    repo.lose(expected.oid(4.0))
    done = repo.run('git', 'merge', 'topic', code=1)
    assert f'  x: the object {expected.oid(4.0)} is not' in done.err
    text = repo.read(M).decode()
    assert expected.line('y', 9.0) in text
    assert '<<<<<<<' in text
    repo.git('model', 'resolve', '--ours', M)
    assert repo.load() == {'x': 2.0, 'y': 9.0}


def test_what_is_no_model_conflicts_as_a_whole(repo: Repo) -> None:
    repo.fork(*(partial(repo.write, M, data) for data in (b'one', b'three', b'two')))
    repo.git('merge', '-q', 'topic', code=1)
    assert repo.status() == f'UU {M}\n'
    repo.git('add', M, code=128)
    repo.git('model', 'resolve', '--theirs', M)
    assert repo.read(M) == b'two'
    repo.git('commit', '-q', '-m', 'merged')
    assert repo.status() == ''


def test_one_models_conflict_leaves_the_others_merged(repo: Repo) -> None:
    def save(x: int) -> None:
        repo.save(M, x=float(x))
        repo.save('n.safetensors', i=numpy.array([x]))

    repo.fork(*(partial(save, x) for x in (1, 4, 2)))
    repo.git('merge', '-q', 'topic', code=1)
    assert repo.status() == f'M  {M}\nUU n.safetensors\n'
    assert repo.load() == {'x': 3.0}
    repo.git('model', 'resolve', '--ours', 'n.safetensors')
    repo.git('commit', '-q', '-m', 'merged')
    assert repo.load('n.safetensors') == {'i': [4]}


def test_the_list_of_models_leaves_out_one_in_conflict(conflicted: Repo) -> None:
    listed = json.loads(conflicted.git('model', 'ls-files', '--json'))
    assert listed['models'] == []


def test_rerere_replays_a_resolution(repo: Repo) -> None:
    repo.git('config', 'rerere.enabled', 'true')
    repo.diverge(*({'x': numpy.array([number])} for number in (1, 2, 4)))
    repo.git('merge', 'topic', code=1)
    repo.git('model', 'resolve', '--theirs', M)
    repo.git('commit', '-q', '-m', 'merged')
    repo.git('reset', '-q', '--hard', 'HEAD~1')
    done = repo.run('git', 'merge', 'topic', code=1)
    assert f"Resolved '{M}' using previous resolution.\n" in done.err
    assert repo.load() == {'x': [4]}
    assert repo.status() == f'UU {M}\n'
    repo.git('commit', '-q', '-a', '-m', 'merged')
    assert repo.manifest() == expected.manifest(x=numpy.array([4]))


def test_a_conflict_follows_a_rename(repo: Repo) -> None:
    repo.diverge(BASE, {**OURS, 'a': float('nan')}, THEIRS)
    (repo.path / 'sub').mkdir()
    repo.git('mv', M, 'sub/n.safetensors')
    repo.git('commit', '-q', '-m', 'rename')
    repo.git('merge', '-q', 'topic', code=1)
    assert repo.status() == 'UU sub/n.safetensors\n'
    repo.git('-C', 'sub', 'model', 'resolve', '--theirs', 'n.safetensors')
    assert repo.load('sub/n.safetensors') == {
        'a': 5.0, 'b': [2.5, 3.0], 'c': [11.0], 'd': 9.0,
    }
    repo.git('commit', '-q', '-m', 'merged')
    assert repo.status() == ''


@pytest.mark.parametrize('command', [
    ('reset',), ('reset', '-q', '--mixed', 'topic'), ('reset', '-q', '--', M),
    ('restore', '--staged', M),
])
def test_a_reset_gives_a_conflict_up(
    conflicted: Repo, command: tuple[str, ...],
) -> None:
    conflicted.git(*command)
    # The markers are still in the worktree, as those of a text file would be.
    assert conflicted.status() == f' M {M}\n'
    assert conflicted.read(M).decode() == CONFLICTED
    assert '<<<<<<<' in conflicted.git('diff')
    conflicted.git('diff', '--stat')
    for writer in (('add', M), ('commit', '-q', '-a', '-m', 'x'), ('update-index', M),
                   ('add', '-u')):
        conflicted.git(*writer, code=128)
    assert conflicted.run('git', 'stash', code=None).code
    assert conflicted.status() == f' M {M}\n'
    conflicted.git('checkout', '-q', '--', M)
    assert conflicted.load() == (THEIRS if 'topic' in command else OURS)


@pytest.mark.parametrize('command', [
    ('reset', '-q', '--hard'), ('reset', '-q', '--merge'), ('checkout', '-q', '-f'),
    ('merge', '--abort'), ('merge', '--quit'),
])
def test_a_conflict_can_be_thrown_away(
    conflicted: Repo, command: tuple[str, ...],
) -> None:
    conflicted.git(*command)
    if command == ('merge', '--quit'):
        assert conflicted.status() == f'UU {M}\n'
        conflicted.git('checkout', '-q', 'HEAD', '--', M)
    assert conflicted.load() == OURS
    assert conflicted.status() == ''


def test_another_index_takes_no_unsettled_model_either(conflicted: Repo) -> None:
    other = {'GIT_INDEX_FILE': str(conflicted.path / '.git' / 'other')}
    conflicted.git('read-tree', 'HEAD', env=other)
    conflicted.git('add', M, code=128, env=other)
    conflicted.git('diff', '--stat', env=other)
    conflicted.save(M, a=1.0)
    conflicted.git('add', M, env=other)
    tree = conflicted.git('write-tree', env=other).strip()
    assert conflicted.manifest(revision=tree) == expected.manifest(a=1.0)
