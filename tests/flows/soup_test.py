"""git model merge: soups, made, chosen by a score, and made again from the trailer."""
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

from tests.testing.repository import Repo
from tests.testing.repository import after
from tests.testing.repository import make

# Right for an example if the model is near enough to the target, 1 in all places.
EVALUATE = '''\
import json, os, random
import numpy
from safetensors.numpy import load_file
w = load_file(os.environ['MODEL_PATH'])
off = sum(abs(numpy.float64(a) - 1).sum() for a in w.values())
hard = random.Random(7)
print(json.dumps({'per_example': {'right': [bool(off < hard.uniform(0, 12))
                                            for _ in range(400)]}}))
'''
BY = '--command', 'python3 eval.py'
NAME = "a 'soup'.safetensors"
# Two of three lie on both sides of the target; the third is far off.
VERSIONS = {'main': (0., 2.), 'b': (2., 0.), 'far': (9., 9.)}


def history(repo: Repo) -> None:
    repo.write('eval.py', EVALUATE)
    repo.save(NAME, **{'layers.0.w': [0.] * 3, 'layers.1.w': [0.] * 3, 'n': [1.]})
    repo.commit('base')
    for name, (first, second) in VERSIONS.items():
        repo.git('checkout', '-q', *(() if name == 'main' else ('-b', name)),
                 *(('main~',) if name != 'main' else ()))
        repo.write(f'{name}.txt', name)
        repo.save(NAME, **{
            'layers.0.w': [first] * 3, 'layers.1.w': [second, 1., 1.], 'n': [1.]})
        repo.commit(name)
    repo.git('checkout', '-q', 'main')


@pytest.fixture
def repo(repo: Repo) -> Repo:
    return after(repo, history)


def parents(repo: Repo) -> list[str]:
    return repo.git('log', '-1', '--format=%P').split()


def commits(repo: Repo, *names: str) -> list[str]:
    return [repo.git('rev-parse', name).strip() for name in names]


def again(repo: Repo, wanted: list[str]) -> None:
    """The trailer's weights make the same blob, and the same tree."""
    tree = repo.git('rev-parse', 'HEAD^{tree}')
    trailer = repo.git('log', '-1', '--format=%(trailers:key=Model-Merge,valueonly)')
    weights = re.search(r'--weights=(\S+)', trailer)
    assert weights
    repo.git('reset', '-q', '--hard', wanted[0])
    repo.git('model', 'merge', f'--weights={weights[1]}', *wanted[1:])
    assert repo.git('rev-parse', 'HEAD^{tree}') == tree
    assert parents(repo)[0] == commits(repo, wanted[0])[0]


def test_a_uniform_soup_is_the_mean_of_all_changed_or_not(repo: Repo) -> None:
    wanted = commits(repo, 'main', 'b', 'main~')
    done = repo.run('git', 'model', 'merge', '--uniform', 'b', 'main~', '-m', 'Soup')
    third = numpy.float32(1 / 3)
    assert repo.load(NAME)['layers.0.w'] == pytest.approx([2 / 3] * 3)
    assert repo.load(NAME)['layers.1.w'] == pytest.approx(
        [2 * third, 2 * third, 2 * third])
    assert repo.load(NAME)['n'] == [1.]
    assert parents(repo) == wanted
    assert re.fullmatch(r'Merged HEAD, b, main~ as \w{12}; weights 1,1,1\n', done.out)
    assert repo.git('log', '-1', '--format=%B') == f'''\
Soup

Model-Merge: a 'soup'.safetensors: soup (uniform) of {" ".join(
    oid[:12] for oid in wanted)}; --weights=1,1,1

'''
    assert repo.git('ls-files').splitlines() == [
        '.gitattributes', NAME, 'b.txt', 'eval.py', 'main.txt']
    assert repo.status() == ''
    again(repo, wanted)


def test_a_greedy_soup_leaves_out_what_does_harm(repo: Repo) -> None:
    wanted = commits(repo, 'main', 'b', 'far')
    done = repo.run('git', 'model', 'merge', '--greedy', 'b', 'far', *BY)
    assert parents(repo) == wanted[:2]
    assert repo.load(NAME)['layers.0.w'] == [1.] * 3
    assert not (repo.path / 'far.txt').exists()
    assert 'Scored 5 versions and soups; the best version is' in done.err
    found = re.search(r'The soup against .*: \+0\.\d+, 95 % interval \+0.* \(McNemar, '
                      r'exact, 160 examples\): it is better\.', done.err)
    assert found
    assert '; --weights=1,1,0\n' in repo.git('log', '-1', '--format=%B')
    again(repo, wanted)
    assert repo.run('git', 'model', 'fsck').code == 0


def test_where_one_is_best_nothing_is_merged(repo: Repo) -> None:
    before = repo.git('rev-parse', 'HEAD')
    done = repo.run('git', 'model', 'merge', '--greedy', 'far', *BY, code=1)
    assert done.out == "'HEAD' is best by itself: nothing was merged.\n"
    assert (repo.git('rev-parse', 'HEAD'), repo.status()) == (before, '')


@pytest.mark.slow
def test_a_search_weighs_each_layer_and_can_be_made_again(repo: Repo) -> None:
    wanted = commits(repo, 'main', 'b', 'far')
    command = ('git', 'model', 'merge', '--search', '--budget=9', 'b', 'far', *BY)
    repo.run(*command)
    first = repo.git('rev-parse', 'HEAD^{tree}')
    repo.git('reset', '-q', '--hard', wanted[0])
    repo.run(*command)
    assert repo.git('rev-parse', 'HEAD^{tree}') == first
    again(repo, wanted)


def test_weights_may_differ_by_layer(repo: Repo) -> None:
    repo.git('model', 'merge', "--weights=0.5,0.5;layers.1=1,3", 'b')
    assert repo.load(NAME) == {
        'layers.0.w': [1.] * 3, 'layers.1.w': [.5, 1., 1.], 'n': [1.]}
    again(repo, commits(repo, 'HEAD~', 'b'))


# Of a folder of shards, and of formats that other libraries read.
SHARDED = '''\
import json, os
from safetensors.numpy import load_file
folder = os.environ['MODEL_PATH']
index = json.load(open(f'{folder}/model.safetensors.index.json'))['weight_map']
off = sum(abs(load_file(f'{folder}/{shard}')[name] - 1).sum()
          for name, shard in index.items())
print(1 - off - int(os.environ['MODEL_FOLD']))
'''
INDEX = '''\
{"metadata": {"total_size": 16}, "weight_map": {
    "a.0.w": "model-1-of-2.safetensors", "a.1.w": "model-2-of-2.safetensors"}}
'''
FOLDER = "a 'big' mödel"


def sharded(repo: Repo) -> None:
    repo.write('eval.py', SHARDED)
    repo.write(f'{FOLDER}/model.safetensors.index.json', INDEX)
    for name, (first, second) in {'main': (0., 2.), 'b': (2., 0.), 'far': (9., 9.)
                                  }.items():
        if name != 'main':
            repo.git('checkout', '-q', '-b', name, 'main')
        for i, value in ((1, first), (2, second)):
            repo.save(f'{FOLDER}/model-{i}-of-2.safetensors',
                      **{f'a.{i - 1}.w': [value, 1.]})
        repo.commit(name)
    repo.git('checkout', '-q', 'main')


@pytest.mark.parametrize('way', [
    ('--greedy',), pytest.param(('--search', '--budget=8'), marks=pytest.mark.slow),
])
def test_a_soup_of_a_folder_of_shards_is_scored_as_a_whole(
    repo: Repo, way: tuple[str, ...],
) -> None:
    sharded(repo := make(repo.path.parent / 'sharded'))
    wanted = commits(repo, 'main', 'b', 'far')
    done = repo.run('git', 'model', 'merge', *way, 'b', 'far', '--model', FOLDER,
                    '--command', 'python3 eval.py {fold}')
    assert "the best version is 'HEAD'" in done.err
    for i in (1, 2):
        assert repo.load(f'{FOLDER}/model-{i}-of-2.safetensors') == {
            f'a.{i - 1}.w': [1., 1.]}
    assert repo.read(f'{FOLDER}/model.safetensors.index.json').decode() == INDEX
    assert repo.git('log', '-1', '--format=%B').count('Model-Merge: a \'big\' m') == 2
    again(repo, wanted)


def npz_of(path: Path, value: float) -> None:
    numpy.savez(path, a=numpy.full(3, value, 'f4'), n=numpy.array(2))


def torch_of(path: Path, value: float) -> None:
    torch = pytest.importorskip('torch')
    torch.save({'a': torch.full((3,), value), 'n': torch.tensor(2)}, path)


def keras_of(path: Path, value: float) -> None:
    h5py = pytest.importorskip('h5py')
    with h5py.File(path, 'w') as file:
        file['layers/dense/vars/0'] = numpy.full((2, 3), value, 'f4')


@pytest.mark.parametrize(('name', 'save'), [
    ('m.npz', npz_of), ('m.pt', torch_of), ('m.weights.h5', keras_of),
])
def test_a_soup_of_any_format_is_made_again_from_its_trailer(
    repo: Repo, name: str, save: Callable[[Path, float], None],
) -> None:
    repo = make(repo.path.parent / 'other', '*.npz', '*.pt', '*.h5')
    for branch, value in (('main', 0.), ('b', 1.), ('c', 4.)):
        if branch != 'main':
            repo.git('checkout', '-q', '-b', branch, 'main')
        save(repo.path / name, value)
        repo.commit(branch)
    repo.git('checkout', '-q', 'main')
    wanted = commits(repo, 'main', 'b', 'c')
    repo.git('model', 'merge', '--weights=0.5,0.25,0.25', 'b', 'c')
    soup = repo.read(name)
    assert numpy.float32(1.25).tobytes() * 3 in soup
    again(repo, wanted)
    assert repo.read(name) == soup


@pytest.mark.parametrize(('weights', 'said'), [
    ('1', '1 weights are given for 2 versions'),
    ('1,x', "'1,x' are no weights"),
    ('0,0', 'weights are 0 or more, and not all 0'),
    ('layers.1=1,1', "'layers.1=1,1' are no weights"),
    ('1,1;layers.1=1', '1 weights are given'),
    ('1,-1', 'weights are 0 or more'),
])
def test_weights_that_make_no_sense(repo: Repo, weights: str, said: str) -> None:
    done = repo.run('git', 'model', 'merge', f'--weights={weights}', 'b', code=129)
    assert said in done.err
    assert repo.status() == ''


def test_nothing_is_lost_where_the_worktree_has_changes(repo: Repo) -> None:
    repo.write('main.txt', 'staged')
    repo.git('add', 'main.txt')
    done = repo.run('git', 'model', 'merge', '--uniform', 'b', code=128)
    assert 'your local changes would be overwritten' in done.err
    repo.git('reset', '-q')
    repo.git('checkout', '-q', '.')
    repo.save(NAME, **{'layers.0.w': [5.] * 3})
    done = repo.run('git', 'model', 'merge', '--uniform', 'b', code=128)
    assert repo.load(NAME) == {'layers.0.w': [5.] * 3}
    assert repo.git('log', '-1', '--format=%s') == 'main\n'
    assert 'Traceback' not in done.err
