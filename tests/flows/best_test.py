"""git model best: the version for production, in real repositories."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.testing.repository import Repo
from tests.testing.repository import after

# As good as its first number, but for noise of the fold and a little of the model.
EVALUATE = '''\
import json, os, random
from safetensors.numpy import load_file
w = load_file(os.environ['MODEL_PATH'])['w']
fold = int(os.environ['MODEL_FOLD'])
noise = random.Random(fold).gauss(0, .02)
noise += random.Random(f'{w[1]} {fold}').gauss(0, .002)
print(float(w[0]) + noise)
'''
BY = '--command', 'python3 eval.py {fold}'


def history(repo: Repo) -> None:
    """Ten commits, the seventh of which did harm, and two branches."""
    repo.write('eval.py', EVALUATE)
    for i in range(10):
        repo.save('m.safetensors', w=[.5 if i < 7 else .45, float(i)])
        repo.commit(f'step {i}')
        repo.git('tag', f's{i}')
    for name, quality in (('good', .53), ('alike', .5)):
        repo.git('checkout', '-q', '-b', name, 's0')
        repo.save('m.safetensors', w=[quality, len(name) + .5])
        repo.commit(name)
    repo.git('checkout', '-q', 'main')


@pytest.fixture
def repo(repo: Repo) -> Repo:
    return after(repo, history)


def test_the_best_is_tagged_only_where_it_is_not_by_chance(repo: Repo) -> None:
    best = 'git', 'model', 'best', *BY
    done = repo.run(*best, 's0', 'alike', '--tag=production', code=1)
    assert done.out.endswith("\nNothing is shown to be better than 's0': it stays.\n")
    assert done.err == "Tagged 's0' as 'production'.\n"
    done = repo.run(*best, 'alike', 'good', 's1', '--tag', 'production')
    assert '\nGain of \'good\': +0.03' in done.out
    assert ', 98.33 % interval +0.0' in done.out
    assert ' for 3 candidates (paired t, 5 folds).\nChosen on the other' in done.out
    assert done.out.endswith("\n'good' is better than 'production'.\n")
    assert done.err == "Tagged 'good' as 'production'.\n"
    commit = repo.git('rev-parse', 'production^{commit}')
    assert commit == repo.git('rev-parse', 'good')
    assert "'good' against 'production': gain +0.03" in repo.git(
        'tag', '-n', 'production')
    done = repo.run(*best, 's2', '--tag', 'production', code=1)
    assert "'s2' is worse than 'production', which stays." in done.out
    assert (repo.git('rev-parse', 'production^{commit}'), done.err) == (commit, '')


def test_exit_codes_are_for_ci(repo: Repo) -> None:
    best = 'git', 'model', 'best', *BY
    for code, args in (
        (0, ('good', '--min-gain=5%')), (1, ('good', '--min-gain=6%')),
        (1, ('s1',)), (0, ('s1', '--min-gain=-1%')),
        (1, ('s9', '--min-gain=-1%')), (0, ('s1', '--not-worse')),
        (1, ('s9', '--not-worse')), (129, ('s1', '--min-gain=much')),
    ):
        done = repo.run(*best, '--against=s0', '--json', *args, code=code)
        if code < 2:
            assert json.loads(done.out)['best']['good'] == (code == 0)
    said = repo.run('git', 'model', 'best', *BY, 's0', code=129).err
    assert said.startswith('error: there is nothing to compare with\nhint: name the')
    said = repo.run('git', 'model', 'best', '--command', 'false', 's0', 's1',
                    code=128).err
    assert "error: the incumbent 's0' could not be evaluated" in said
    said = repo.run('git', 'model', 'best', '--command', 'echo 1', 's0', 's1', 's2',
                    code=128).err
    assert 'error: to choose on some folds and report on others takes two' in said


def test_a_bisection_finds_the_commit_that_did_harm(repo: Repo) -> None:
    """The same evaluator at every commit; what was evaluated before is not again."""
    repo.git('bisect', 'start', 's9', 's0')
    said = repo.git('bisect', 'run', 'git', 'model', 'best', *BY, '--against', 's0')
    harm = repo.git('rev-parse', 's7').strip()
    assert f'{harm} is the first bad commit' in said
    repo.git('bisect', 'reset')


def test_a_commit_that_cannot_be_evaluated_is_skipped_by_a_bisection(
    repo: Repo,
) -> None:
    """One has a model that the evaluator cannot read, another one none at all."""
    repo.git('checkout', '-q', '--detach', 's4')
    for name in ('broken', 'none'):
        if name == 'broken':
            repo.save('m.safetensors', other=[1.])
        else:
            repo.git('rm', '-q', 'm.safetensors')
        repo.commit(name)
        repo.git('tag', name)
        repo.git('bisect', 'start', '--no-checkout', name, 's0')
        repo.git('checkout', '-q', name)
        done = repo.run('git', 'model', 'best', *BY, '--against', 's0', code=125)
        assert 'Traceback' not in done.err
        repo.git('bisect', 'reset', name)
    code = repo.run('git', 'model', 'best', *BY, '--against', 's0', code=129)
    assert "there is no model in 'HEAD'" in code.err
    found = repo.run('git', 'model', 'best', *BY, 's0', 'good', 'broken',
                     '--tag=production', code=1)
    assert "'good' is better than 's0'" in found.out
    assert "error: 'broken' could not be evaluated: fold 1 of 5" in found.err
    assert not repo.git('tag', '-l', 'production')      # not before all is well


def test_a_tag_is_an_annotated_one_signed_where_git_signs(
    repo: Repo, tmp_path: Path,
) -> None:
    for name in ('a..b', '-d', ''):
        said = repo.run('git', 'model', 'best', *BY, 's0', 's1', f'--tag={name}',
                        code=129).err
        assert said.startswith(f"error: '{name}' cannot be the name of a tag")
    if shutil.which('ssh-keygen') is None:
        pytest.skip('there is nothing to sign with')
    key = tmp_path / 'key'
    repo.run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', str(key))
    for setting in ('gpg.format=ssh', f'user.signingKey={key}', 'tag.gpgSign=true'):
        repo.git('config', *setting.split('=', 1))
    for incumbent, candidate in (('s9', 's0'), ('s0', 'good')):
        repo.run('git', 'model', 'best', *BY, *(
            [] if candidate == 'good' else [incumbent]), candidate,
            '--tag=a "tag"'.replace(' ', '/'))
        text = repo.git('cat-file', 'tag', 'a/"tag"')
        assert text.startswith(f"object {repo.git('rev-parse', candidate)}")
        assert f"'{candidate}' against '" in text and 'SSH SIGNATURE' in text
