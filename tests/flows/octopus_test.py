"""Several heads at once: ``git merge a b c``."""
from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.testing.repository import Repo

M = 'm.safetensors'


def branches(repo: Repo, *versions: dict[str, object], **base: object) -> list[str]:
    """A base commit, and a branch b0, b1, ... for each version; main has the base."""
    repo.save(M, **base)
    repo.write('text', 'one\ntwo\nthree\nfour\nfive\n')
    repo.commit('base')
    names = [f'b{i}' for i in range(len(versions))]
    for name, version in zip(names, versions):
        repo.git('checkout', '-q', '-b', name, 'main')
        repo.save(M, **{**base, **version})
        repo.commit(name)
    repo.git('checkout', '-q', 'main')
    return names


def state(repo: Repo) -> tuple[str, ...]:
    return (
        repo.git('rev-parse', 'HEAD'), repo.git('ls-files', '-s'), repo.status(),
        repo.sha256(M),
    )


def test_three_branches_give_the_mean_of_three(repo: Repo) -> None:
    names = branches(repo, {'x': [3.0]}, {'x': [6.0]}, {'x': [0.0]}, x=[1.0], y=[7.0])
    done = repo.run('git', 'merge', '-q', *names, '-m', 'all')
    assert repo.load() == {'x': [3.0], 'y': [7.0]}
    assert repo.status() == ''
    parents = repo.git('rev-list', '--parents', '-1', 'HEAD').split()[1:]
    assert parents == repo.git('rev-parse', *names).split()    # HEAD is in each
    assert 'm.safetensors: 1 by linear\n' in done.err


@pytest.mark.parametrize('models', [False, True])
def test_nothing_is_left_in_the_folder_for_temporary_files(
    repo: Repo, tmp_path_factory: pytest.TempPathFactory, models: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path_factory.mktemp('temporary')
    if models:
        names = branches(repo, {'x': [3.0]}, {'x': [6.0]}, x=[1.0])
    else:
        names = []
        repo.write('base', '')
        repo.commit('base')
        for name in ('b0', 'b1'):
            repo.git('checkout', '-q', '-b', name, 'main')
            repo.write(name, '')
            repo.commit(name)
            names.append(name)
        repo.git('checkout', '-q', 'main')
    monkeypatch.setenv('TMPDIR', str(folder))
    repo.git('merge', '-q', *names, '-m', 'all')
    assert list(folder.iterdir()) == []


def test_head_is_one_of_the_versions(repo: Repo) -> None:
    names = branches(repo, {'x': [3.0]}, {'x': [6.0]}, x=[0.0])
    repo.save(M, x=[9.0])
    repo.commit('ours')
    repo.git('merge', '-q', *names, '-m', 'all')
    assert repo.load() == {'x': [6.0]}
    assert len(repo.git('rev-list', '--parents', '-1', 'HEAD').split()) == 4


def test_a_version_that_did_not_change_a_tensor_has_no_part_in_it(repo: Repo) -> None:
    names = branches(
        repo, {'x': [2.0]}, {'x': [4.0], 'y': [1.0]}, {'z': [5.0]},
        x=[0.0], y=[0.0], z=[0.0],
    )
    repo.git('merge', '-q', *names, '-m', 'all')
    assert repo.load() == {'x': [3.0], 'y': [1.0], 'z': [5.0]}


def test_the_order_of_the_heads_does_not_matter(repo: Repo) -> None:
    values = [numpy.random.default_rng(i).normal(size=300).astype('f4')
              for i in range(4)]
    names = branches(repo, *({'x': v} for v in values[1:]), x=values[0])
    blobs = set()
    for order in (names, names[::-1], [names[1], names[2], names[0]]):
        for method in ('linear', 'task_arithmetic', 'karcher'):
            repo.git('-c', f'model.merge={method}', 'merge', '-q', *order, '-m', 'all')
            blobs.add((method, repo.git('rev-parse', f'HEAD:{M}')))
            repo.git('reset', '-q', '--hard', 'HEAD^1~1')
    assert len(blobs) == 3


def test_weights_are_given_to_the_strategy(repo: Repo) -> None:
    names = branches(repo, {'x': [8.0]}, {'x': [4.0]}, x=[0.0])
    repo.save(M, x=[2.0])
    repo.commit('ours')
    repo.git('merge', '-q', '-s', 'model', '-X', 'weights=0.5,0.25,0.25', *names,
             '-m', 'all')
    assert repo.load() == {'x': [4.0]}


def test_text_is_merged_beside_the_models(repo: Repo) -> None:
    names = branches(repo, {'x': [3.0]}, {'x': [6.0]}, x=[0.0])
    for name, old, new in (('b0', 'one', '1'), ('b1', 'five', '5')):
        repo.git('checkout', '-q', name)
        repo.write('text', repo.read('text').decode().replace(old, new))
        repo.write(f'only {name}', name)
        repo.commit('text')
    repo.git('checkout', '-q', 'main')
    repo.git('merge', '-q', *names, '-m', 'all')
    assert repo.read('text') == b'1\ntwo\nthree\nfour\n5\n'
    assert repo.read('only b0') == b'b0' and repo.read('only b1') == b'b1'
    assert repo.load() == {'x': [4.5]}
    assert repo.status() == ''


@pytest.mark.parametrize('spoil', ['model', 'text', 'staged', 'dirty'])
def test_what_cannot_be_merged_leaves_everything_as_it_was(
    repo: Repo, spoil: str,
) -> None:
    names = branches(repo, {'x': [3.0]}, {'x': [6.0]}, x=[0.0])
    options: tuple[str, ...] = ()
    if spoil == 'model':
        options = ('-c', 'model.merge=conflict')
    if spoil == 'text':
        for name in names:
            repo.git('checkout', '-q', name)
            repo.write('text', name)
            repo.commit('text')
        repo.git('checkout', '-q', 'main')
    if spoil == 'staged':
        repo.write('new', 'new')
        repo.git('add', 'new')
    if spoil == 'dirty':
        repo.save(M, x=[99.0])
    before = state(repo)
    done = repo.run('git', *options, 'merge', *names, '-m', 'all', code=None)
    assert done.code in (1, 2), done
    assert state(repo) == before
    assert 'git merge <branch>' in done.err or spoil == 'staged'


def test_a_method_for_two_versions_is_refused_for_three(repo: Repo) -> None:
    names = branches(repo, {'x': [3.0]}, {'x': [6.0]}, {'x': [9.0]}, x=[0.0])
    done = repo.run('git', '-c', 'model.merge=slerp', 'merge', *names, code=2)
    assert "  x: 'slerp' takes 2 versions, not 3\n" in done.err


def test_an_unknown_option_is_told(repo: Repo) -> None:
    names = branches(repo, {'x': [3.0]}, {'x': [6.0]}, x=[0.0])
    done = repo.run('git', 'merge', '-s', 'model', '-X', 'wieghts=1,2', *names, code=2)
    assert "unknown key 'wieghts'" in done.err and "'weights'" in done.err


def test_one_head_is_merged_with_options_for_models(repo: Repo) -> None:
    branches(repo, {'x': [8.0]}, x=[0.0])
    repo.save(M, x=[4.0])
    repo.commit('ours')
    repo.git('merge', '-q', '-s', 'model', '-X', 'weight=0.25', 'b0', '-m', 'one')
    assert repo.load() == {'x': [5.0]}
    assert repo.status() == ''


FILES = st.sampled_from(['a', 'b', 'd/c', 'sp ace', 'x'])
TEXT = st.lists(st.sampled_from(['1', '2', '3', '4']), max_size=4).map('\n'.join)
EDIT = st.one_of(
    st.tuples(st.just('write'), FILES, TEXT),
    st.tuples(st.just('remove'), FILES, st.just('')),
    st.tuples(st.just('mode'), FILES, st.just('')),
    st.tuples(st.just('link'), FILES, TEXT),
)


def apply(repo: Repo, edits: list[tuple[str, str, str]]) -> None:
    for kind, name, text in edits:
        path = repo.path / name
        if kind == 'remove' or kind == 'link':
            path.unlink(missing_ok=True)
        if kind == 'write' and not path.is_symlink():
            repo.write(name, text)
        if kind == 'mode' and path.is_file() and not path.is_symlink():
            path.chmod(0o755)
        if kind == 'link':
            path.parent.mkdir(exist_ok=True)
            os.symlink(text.replace('\n', '') or 'x', path)


@settings(max_examples=12, deadline=None, derandomize=True,
          suppress_health_check=list(HealthCheck))
@given(st.lists(EDIT, max_size=5), st.lists(st.lists(EDIT, max_size=3), min_size=2,
                                            max_size=3))
def test_without_models_it_is_the_built_in_octopus(
    base: list[tuple[str, str, str]], versions: list[list[tuple[str, str, str]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = Repo(Path(folder))
        repo.git('init', '-q', '-b', 'main')
        repo.git('config', 'pull.octopus', 'model')
        repo.write('a', '1\n2\n3\n')
        apply(repo, base)
        repo.commit('base')
        names = []
        for i, edits in enumerate(versions):
            names.append(f'b{i}')
            repo.git('checkout', '-q', '-b', f'b{i}', 'main')
            apply(repo, edits)
            repo.git('add', '-A')
            repo.git('commit', '-q', '--allow-empty', '-m', f'b{i}')
        repo.git('checkout', '-q', 'main')
        outcomes = []
        for strategy in ('octopus', 'model'):
            done = repo.run('git', '-c', f'pull.octopus={strategy}', 'merge', *names,
                            '-m', 'all', code=None)
            outcomes.append((
                done.code, repo.git('ls-files', '-s'),
                repo.git('rev-parse', 'HEAD^{tree}'),
                repo.git('log', '-1', '--format=%P'),
            ))
            repo.git('reset', '-q', '--hard')
            repo.git('checkout', '-q', '-f', '-B', 'main', 'b0~1')
        assert outcomes[0] == outcomes[1]


def test_the_numbers_are_of_all_pairs_of_versions(repo: Repo) -> None:
    """Changes (2, 2), (2, -2), (2, 0), and of another tensor (1), none, (1)."""
    names = branches(
        repo, {'x': [3.0, 3.0], 'y': [2.0]}, {'x': [3.0, -1.0]},
        {'x': [3.0, 1.0], 'y': [4.0]}, x=[1.0, 1.0], y=[1.0],
    )
    said = repo.run('git', 'merge', '-q', *names, '-m', 'all').err
    deltas = numpy.array([[2, 2, 1], [2, -2, 0], [2, 0, 3]], 'f8')
    norms = [float(numpy.sqrt((delta ** 2).sum())) for delta in deltas]
    cosine = sum(
        float(deltas[i] @ deltas[j]) / (norms[i] * norms[j])
        for i, j in ((0, 1), (0, 2), (1, 2))
    ) / 3
    result = float(numpy.sqrt(4 + 0 + 4))
    ratio = result / (sum(norms) / 3)
    assert (
        f'  cosine of the changes {cosine:.2f}, norm of the merged change {ratio:.2f} '
        'times their mean, sign conflicts 33 %\n'
    ) in said
