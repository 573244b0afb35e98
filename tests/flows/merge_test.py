"""Plain ``git merge`` on models: what is settled without a question."""
from __future__ import annotations

from functools import partial
from typing import Any

import numpy
import pytest

from tests.testing import expected
from tests.testing.repository import Repo

BASE: dict[str, Any] = {'a': 1.0, 'b': [1.0, 2.0], 'c': [10.0]}
OURS: dict[str, Any] = {'a': 1.0, 'b': [3.0, 2.0], 'c': [11.0]}
THEIRS: dict[str, Any] = {'a': 5.0, 'b': [2.0, 4.0], 'c': [10.0]}
MERGED = {'a': 5.0, 'b': [2.5, 3.0], 'c': [11.0]}

LAYERS: dict[str, Any] = {'embed.weight': 1.0, 'mlp.down': 1.0, 'mlp.up': 1.0}


def diverge(repo: Repo) -> None:
    repo.diverge(BASE, OURS, THEIRS)


def diverge_layers(repo: Repo) -> None:
    """Ours has 4 and theirs has 8 in every tensor."""
    repo.diverge(*({name: x for name in LAYERS} for x in (1.0, 4.0, 8.0)))


def merge(repo: Repo, *options: str, branch: str = 'topic') -> None:
    repo.git(*options, 'merge', '-q', branch, '-m', 'merged')
    assert repo.status() == ''


def test_a_merge_averages_what_both_changed_and_takes_the_rest(repo: Repo) -> None:
    diverge(repo)
    done = repo.run('git', 'merge', 'topic', '-m', 'merged')
    assert repo.load() == MERGED
    assert repo.manifest() == expected.manifest(**MERGED)
    assert repo.status() == ''
    assert repo.git('rev-list', '--parents', '-1', 'HEAD').split()[1:] == (
        repo.git('rev-parse', 'main~1', 'topic').split()
    )
    said = 'm.safetensors: 1 from ours, 1 from theirs, 1 by linear\n'
    assert said in done.err


def test_both_directions_give_the_same_blob(repo: Repo) -> None:
    repo.diverge({'x': [1.0] * 3}, {'x': [0.1, 1e30, -0.0]}, {'x': [0.7, 1e-30, 0.0]})
    repo.git('branch', 'ours', 'main')
    merge(repo)
    repo.git('checkout', '-q', 'topic')
    merge(repo, branch='ours')
    assert repo.git('rev-parse', 'topic:m.safetensors') == (
        repo.git('rev-parse', 'main:m.safetensors')
    )


@pytest.mark.parametrize(('weight', 'value'), [
    ('0.7', 7.0), ('0.25', 2.5), ('0', 0.0), ('1', 10.0), ('1/4', 2.5),
])
def test_a_weight_on_the_command_line_is_theirs_share(
    repo: Repo, weight: str, value: float,
) -> None:
    repo.diverge({'x': 2.0}, {'x': 0.0}, {'x': 10.0})
    merge(repo, '-c', f'model.weight={weight}')
    assert repo.load() == {'x': value}


def test_two_weights_are_normalised(repo: Repo) -> None:
    repo.diverge({'x': 2.0}, {'x': 0.0}, {'x': 10.0})
    merge(repo, '-c', 'model.ours-weight=3')
    assert repo.load() == {'x': 2.5}


def test_rules_committed_in_head_apply_by_glob(repo: Repo) -> None:
    repo.write('.gitmodel', (
        '[model]\n\tweight = 0.25\n'
        '[model "embed*"]\n\tmerge = ours\n'
        '[model "*.up"]\n\tmerge = theirs\n'
    ))
    repo.commit('rules')
    diverge_layers(repo)
    merge(repo)
    assert repo.load() == {'embed.weight': 4.0, 'mlp.down': 5.0, 'mlp.up': 8.0}


def test_the_command_line_overrides_every_glob_of_the_rules(repo: Repo) -> None:
    repo.write('.gitmodel', '[model "embed*"]\n\tmerge = ours\n')
    repo.commit('rules')
    diverge_layers(repo)
    merge(repo, '-c', 'model.merge=theirs')
    assert repo.load() == {'embed.weight': 8.0, 'mlp.down': 8.0, 'mlp.up': 8.0}


def test_a_glob_on_the_command_line_is_for_its_tensors(repo: Repo) -> None:
    diverge_layers(repo)
    merge(repo, '-c', 'model.mlp.*.merge=theirs')
    assert repo.load() == {'embed.weight': 6.0, 'mlp.down': 8.0, 'mlp.up': 8.0}


def test_configuration_overrides_the_committed_rules(repo: Repo) -> None:
    repo.write('.gitmodel', '[model]\n\tmerge = ours\n\tweight = 0.25\n')
    repo.commit('rules')
    diverge_layers(repo)
    repo.git('config', 'model.merge', 'linear')
    merge(repo)
    assert repo.load() == {name: 5.0 for name in LAYERS}


def test_rules_that_are_not_in_head_do_not_apply(repo: Repo) -> None:
    diverge_layers(repo)
    repo.git('checkout', '-q', 'topic')
    repo.write('.gitmodel', '[model]\n\tmerge = theirs\n')
    repo.commit('rules of the other side')
    repo.git('checkout', '-q', 'main')
    merge(repo)
    assert repo.load() == {name: 6.0 for name in LAYERS}


@pytest.mark.parametrize(('rules', 'said'), [
    ('[model]\n\tmerge = liner\n', (
        "error: .gitmodel:2: unknown method 'liner' for '*'\n"
        "hint: did you mean 'linear'?\n"
    )),
    ('[model "a*"]\n\tweigth = 1\n', (
        "error: .gitmodel:2: unknown key 'weigth' for 'a*'\n"
        "hint: did you mean 'weight'?\n"
    )),
])
def test_a_bad_rule_stops_the_merge_and_says_where_it_is(
    repo: Repo, rules: str, said: str,
) -> None:
    repo.write('.gitmodel', rules)
    repo.commit('rules')
    diverge(repo)
    done = repo.run('git', 'merge', 'topic', code=1)
    assert said in done.err
    assert repo.status() == 'UU m.safetensors\n'
    repo.git('add', '.', code=128)
    repo.git('merge', '--abort')
    assert repo.load() == OURS
    assert repo.status() == ''


def test_squash_leaves_the_result_to_be_committed(repo: Repo) -> None:
    diverge(repo)
    repo.git('merge', '-q', '--squash', 'topic')
    assert repo.status() == 'M  m.safetensors\n'
    assert repo.load() == MERGED
    repo.git('commit', '-q', '-m', 'squashed')
    assert repo.manifest() == expected.manifest(**MERGED)
    assert repo.status() == ''


def test_no_commit_can_be_continued_and_aborted(repo: Repo) -> None:
    diverge(repo)
    ours = repo.sha256('m.safetensors')
    repo.git('merge', '-q', '--no-commit', 'topic')
    assert repo.load() == MERGED
    repo.git('merge', '--abort')
    assert repo.sha256('m.safetensors') == ours
    assert repo.status() == ''
    repo.git('merge', '-q', '--no-commit', 'topic')
    repo.git('merge', '--continue')
    assert repo.manifest() == expected.manifest(**MERGED)
    assert repo.status() == ''


def test_a_fast_forward_and_an_equal_change_bring_the_bytes(repo: Repo) -> None:
    diverge(repo)
    repo.git('checkout', '-q', '-b', 'behind', 'topic~1')
    repo.git('merge', '-q', '--ff-only', 'topic')
    assert repo.load() == THEIRS
    repo.git('checkout', '-q', '-b', 'alike', 'topic~1')
    repo.save('m.safetensors', **THEIRS)
    repo.commit('the same change')
    repo.git('merge', '-q', '--no-ff', 'topic', '-m', 'merged')
    assert repo.manifest() == expected.manifest(**THEIRS)
    assert repo.status() == ''


@pytest.mark.parametrize('option', [('-s', 'recursive'), ('-s', 'ort'), ('--no-ff',)])
def test_a_strategy_of_two_heads_averages(repo: Repo, option: tuple[str, ...]) -> None:
    diverge(repo)
    repo.git('merge', '-q', *option, 'topic', '-m', 'merged')
    assert repo.manifest() == expected.manifest(**MERGED)
    assert repo.load() == MERGED
    assert repo.status() == ''


def test_the_strategy_ours_leaves_the_model_alone(repo: Repo) -> None:
    diverge(repo)
    repo.git('merge', '-q', '-s', 'ours', 'topic', '-m', 'merged')
    assert repo.load() == OURS


def test_a_merge_is_refused_over_uncommitted_work(repo: Repo) -> None:
    diverge(repo)
    repo.save('m.safetensors', a=7.0)
    before = repo.sha256('m.safetensors')
    done = repo.run('git', 'merge', 'topic', code=2)
    assert 'Your local changes to the following files would be over' in done.err
    assert repo.sha256('m.safetensors') == before
    assert repo.status() == ' M m.safetensors\n'


def test_text_beside_models_merges_as_ever(repo: Repo) -> None:
    repo.write('notes.txt', 'one\ntwo\nthree\n')
    repo.commit('notes')
    diverge(repo)
    repo.write('notes.txt', 'one\ntwo\n3\n')
    repo.commit('ours')
    repo.git('checkout', '-q', 'topic')
    repo.write('notes.txt', '1\ntwo\nthree\n')
    repo.commit('theirs')
    repo.git('checkout', '-q', 'main')
    merge(repo)
    assert repo.read('notes.txt') == b'1\ntwo\n3\n'
    assert repo.load() == MERGED


def test_several_models_in_folders_merge_from_a_subfolder(repo: Repo) -> None:
    names = ['m.safetensors', 'x/m.safetensors', 'x/y/m.safetensors']

    def save(tensors: dict[str, Any]) -> None:
        for name in names:
            repo.save(name, **tensors)

    repo.fork(*(partial(save, tensors) for tensors in (BASE, OURS, THEIRS)))
    repo.git('-C', 'x', 'merge', '-q', 'topic', '-m', 'merged')
    assert [repo.load(name) for name in names] == [MERGED] * 3
    assert repo.status() == ''


def test_a_merge_in_a_linked_worktree_averages(repo: Repo) -> None:
    diverge(repo)
    repo.git('worktree', 'add', '-q', '--detach', '../linked', 'main')
    linked = Repo(repo.path.parent / 'linked')
    merge(linked)
    assert linked.load() == MERGED
    assert repo.load() == OURS


def test_disjoint_changes_merge_while_the_tensors_are_elsewhere(repo: Repo) -> None:
    repo.diverge(
        {'a': 1.0, 'b': 2.0, 'c': 3.0}, {'a': 4.0, 'b': 2.0, 'c': 3.0},
        {'a': 1.0, 'b': 5.0},
    )
    repo.lose()
    done = repo.run('git', 'merge', 'topic', '-m', 'merged')
    assert repo.manifest() == expected.manifest(a=4.0, b=5.0)
    assert "'m.safetensors' stays a manifest" in done.err
    assert repo.read('m.safetensors').decode() == expected.manifest(a=4.0, b=5.0)
    assert repo.status() == ''


def test_what_only_one_side_changed_comes_with_its_bytes(repo: Repo) -> None:
    nan = numpy.array([0x7fc12345, 0xff812345], numpy.uint32).view(numpy.float32)
    base = {'n': [0.0, 0.0], 'i': numpy.array([1, 2]), 'old': 1.0, 'shape': [1.0, 2.0]}
    theirs = {'n': nan, 'i': numpy.array([1, 7]), 'new': 2.0, 'shape': [[1.0], [2.0]]}
    repo.diverge({**base, 'x': 1.0}, {**base, 'x': 3.0}, {**theirs, 'x': 1.0})
    merge(repo)
    assert repo.manifest() == expected.manifest(**theirs, x=3.0)
    assert b'\x45\x23\xc1\x7f\x45\x23\x81\xff' in repo.read('m.safetensors')


def test_masks_keep_their_infinities_while_the_rest_is_averaged(repo: Repo) -> None:
    inf = float('inf')
    repo.diverge({'x': [-inf, 1.0]}, {'x': [-inf, 2.0]}, {'x': [-inf, 4.0]})
    merge(repo)
    assert repo.load() == {'x': [-inf, 3.0]}


@pytest.mark.parametrize('dtype', ['float16', 'float32', 'float64'])
def test_every_float_is_averaged_in_its_own_type(repo: Repo, dtype: str) -> None:
    base, ours, theirs = (numpy.array([x, 1.0], dtype) for x in (0.5, 1.25, 2.75))
    repo.diverge({'x': base}, {'x': ours}, {'x': theirs})
    merge(repo)
    result = numpy.array([2.0, 1.0], dtype)
    assert repo.manifest() == expected.manifest(x=result)


def test_bfloat16_is_rounded_to_the_nearest_even(repo: Repo) -> None:
    ml_dtypes = pytest.importorskip('ml_dtypes')

    def of(*values: float) -> Any:
        return numpy.array(values, ml_dtypes.bfloat16)

    # 1 and 1 + 1/128 are neighbours: halfway between is even below, odd above.
    repo.diverge(
        {'x': of(5, 5, 5)}, {'x': of(1, 1.0078125, 2)},
        {'x': of(1.0078125, 1.015625, 6)},
    )
    merge(repo)
    assert repo.manifest() == expected.manifest(x=of(1, 1.015625, 4))


def test_elements_that_agree_stay_bit_for_bit(repo: Repo) -> None:
    repo.diverge({'x': [0.0, 1.0]}, {'x': [-0.0, 2.0]}, {'x': [-0.0, 4.0]})
    merge(repo, '-c', 'model.weight=0.25')
    assert repo.manifest() == expected.manifest(x=[-0.0, 2.5])


def test_a_rename_on_one_side_takes_the_other_sides_change(repo: Repo) -> None:
    repo.diverge(BASE, OURS, THEIRS)
    repo.git('mv', 'm.safetensors', 'n.safetensors')
    repo.git('commit', '-q', '-m', 'rename')
    merge(repo)
    assert repo.load('n.safetensors') == MERGED
    assert not (repo.path / 'm.safetensors').exists()


def cross(repo: Repo) -> None:
    """Two branches that have merged each other; the common ancestors have 4 and 8.

    Then main has 10 and topic 7.
    """
    repo.diverge({'x': 1.0}, {'x': 4.0}, {'x': 8.0})
    repo.git('branch', 'ours', 'main')
    repo.git('branch', 'theirs', 'topic')
    merge(repo, branch='theirs')
    assert repo.load() == {'x': 6.0}
    repo.git('checkout', '-q', 'topic')
    merge(repo, '-c', 'model.weight=0.25', branch='ours')
    assert repo.load() == {'x': 7.0}
    repo.git('checkout', '-q', 'main')


def test_the_base_of_a_criss_cross_merge_is_the_mean_of_the_ancestors(
    repo: Repo,
) -> None:
    cross(repo)
    merge(repo)
    assert repo.load() == {'x': 7.0}    # ours is the virtual base, 6


def test_rules_do_not_reach_the_base_of_a_criss_cross_merge(repo: Repo) -> None:
    cross(repo)
    repo.save('m.safetensors', x=10.0)
    repo.commit('go on')
    merge(repo, '-c', 'model.merge=apply', '-c', 'model.weight=0.25')
    assert repo.load() == {'x': 11.0}   # 10 + (7 - 6)


def test_unrelated_histories_are_averaged_by_an_explicit_rule(repo: Repo) -> None:
    repo.save('m.safetensors', x=2.0)
    repo.commit('ours')
    repo.git('checkout', '-q', '--orphan', 'topic')
    repo.save('m.safetensors', x=6.0)
    repo.commit('theirs')
    repo.git('checkout', '-q', 'main')
    repo.git('-c', 'model.merge=linear', 'merge', '-q', 'topic', '-m', 'merged',
             '--allow-unrelated-histories')
    assert repo.load() == {'x': 4.0}
    assert repo.status() == ''


def test_metadata_of_both_sides_is_kept(repo: Repo) -> None:
    repo.save('m.safetensors', {'k': '1', 'old': 'x'}, x=1.0)
    repo.commit('base')
    repo.git('checkout', '-q', '-b', 'topic')
    repo.save('m.safetensors', {'k': '2', 'old': 'x'}, x=1.0)
    repo.commit('theirs')
    repo.git('checkout', '-q', 'main')
    repo.save('m.safetensors', {'k': '1', 'ours': 'y z'}, x=3.0)
    repo.commit('ours')
    merge(repo)
    assert repo.manifest() == (
        f'{expected.HEAD}meta "k" "2"\nmeta "ours" "y\\u0020z"\n\n'
        + expected.line('x', 3.0)
    )
    assert repo.load() == {'x': 3.0}


def test_renormalising_merges_give_the_same(repo: Repo) -> None:
    diverge(repo)
    merge(repo, '-c', 'merge.renormalize=true')
    assert repo.manifest() == expected.manifest(**MERGED)
    assert repo.load() == MERGED


def test_merging_sides_one_of_which_is_committed_raw_averages(repo: Repo) -> None:
    repo.save('m.safetensors', **BASE)
    repo.commit('base')
    repo.git('checkout', '-q', '-b', 'topic')
    repo.save('m.safetensors', **THEIRS)
    raw = repo.git('hash-object', '-w', '--no-filters', 'm.safetensors').strip()
    repo.git('update-index', '--cacheinfo', f'100644,{raw},m.safetensors')
    repo.git('commit', '-q', '-m', 'theirs, raw')
    repo.git('checkout', '-q', '-f', 'main')
    repo.save('m.safetensors', **OURS)
    repo.commit('ours')
    merge(repo)
    assert repo.manifest() == expected.manifest(**MERGED)
    assert repo.load() == MERGED


def test_a_large_tensor_is_averaged_to_its_last_element(repo: Repo) -> None:
    random = numpy.random.default_rng(1)
    base, ours, theirs = random.standard_normal((3, 2_500_001), numpy.float32)
    ours[::3] = base[::3]
    repo.diverge({'x': base}, {'x': ours}, {'x': theirs})
    merge(repo)
    mean = ours * numpy.float32(0.5) + theirs * numpy.float32(0.5)
    assert repo.manifest() == expected.manifest(x=mean)
    assert expected.array(mean).tobytes() in repo.read('m.safetensors')
