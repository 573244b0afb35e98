"""What a merge would do, and that nothing was done."""
from __future__ import annotations

import json

import numpy

from tests.testing.repository import Repo

M = 'm.safetensors'


def diverge(repo: Repo) -> None:
    repo.diverge(
        {'a': [0.0], 'b': [0.0], 'c': [0.0], 'd': [0.0]},
        {'a': [1.0], 'b': [0.0], 'c': [2.0], 'd': [1.0]},
        {'a': [0.0], 'b': [1.0], 'c': [4.0], 'd': [float('nan')]},
    )


def test_each_tensor_that_both_changed_is_told(repo: Repo) -> None:
    diverge(repo)
    before = repo.store(), repo.status(), repo.git('rev-parse', 'HEAD')
    done = repo.run('git', 'model', 'check-merge', 'topic', code=1)
    assert done.out == (
        'm.safetensors: 1 changed here, 1 on topic, 2 on both\n'
        '  c  both  linear  (no rule)\n'
        '  d  both  CONFLICT: both sides changed it, and it holds NaN or infinity'
        '  (no rule)\n'
        'would take 2 tensors, merge 1, leave 1 conflict\n'
    )
    assert (repo.store(), repo.status(), repo.git('rev-parse', 'HEAD')) == before


def test_programs_get_the_same(repo: Repo) -> None:
    diverge(repo)
    out = repo.run('git', '-c', 'model.d.merge=ours', 'model', 'check-merge', '--json',
                   'topic').out
    found, = json.loads(out)
    assert found['path'] == M and found['conflicts'] == {}
    how = {one['name']: (one['changed'], one['how']) for one in found['tensors']}
    assert how == {
        'a': ('ours', None), 'b': ('theirs', None), 'c': ('both', 'linear'),
        'd': ('both', 'ours'),
    }
    assert found['tensors'][3]['rule'].startswith('command line')


def test_nothing_to_merge_is_said(repo: Repo) -> None:
    diverge(repo)
    assert repo.git('model', 'check-merge', 'main~1') == (
        'no model was changed on both sides\n'
    )
    done = repo.run('git', 'model', 'check-merge', 'nowhere', code=128)
    assert done.err.startswith("error: 'nowhere' is no commit here\n")


def test_the_rule_that_decides_is_named(repo: Repo) -> None:
    diverge(repo)
    repo.write('.gitmodel', '[model]\n\tweight = 0.3\n[model "c"]\n\tmerge = ties\n')
    repo.commit('rules')
    assert repo.git('model', 'check-rules') == '2 rules, all of them valid\n'
    assert repo.git('model', 'check-rules', M, 'c') == (
        'c  weight  merge ties weight=0.3 (.gitmodel:4)  '
        'apply apply weight=0.3 (no rule)\n'
    )


def test_check_rules_says_the_way_of_a_class(repo: Repo) -> None:
    repo.save(
        M, **{'step': numpy.array(3), 'mask': numpy.array([True]), 'w': [1.0],
              'bn.running_mean': [0.0], 'bn.running_var': [1.0],
              'q.lora_A.weight': [[1.0, 2.0]], 'q.lora_B.weight': [[1.0], [2.0]]},
    )
    repo.git('add', '.')
    lines = repo.git('model', 'check-rules', M).splitlines()
    assert {line.split('  ')[0]: line.split('  ')[2] for line in lines} == {
        'step': 'merge as counter (no rule)', 'mask': 'merge as mask (no rule)',
        'w': 'merge linear (no rule)',
        'bn.running_mean': 'merge as statistics (no rule)',
        'bn.running_var': 'merge as statistics (no rule)',
        'q.lora_A.weight': 'merge as product (no rule)',
        'q.lora_B.weight': 'merge as product (no rule)',
    }
    ours = repo.git('-c', 'model.merge=ours', 'model', 'check-rules', M, 'step')
    assert '  merge ours (' in ours
