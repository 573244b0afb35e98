"""Some models of a repository, some tensors of a model, and what a remote has."""
from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from tests.testing import remotes
from tests.testing.repository import Repo

A, B = 'a.safetensors', 'drafts/b.safetensors'


@pytest.fixture
def url(repo: Repo, tmp_path: Path) -> str:
    """A bare repository that is far away, with two models in two versions."""
    address = remotes.bare(repo, tmp_path)
    for seed in (1, 2):
        rng = numpy.random.default_rng(seed)
        for number, name in enumerate((A, B)):
            draws = {x: rng.standard_normal(30 + number).tolist() for x in ('u', 'v')}
            repo.save(name, **draws)
        repo.commit(f'version {seed}')
    remotes.connect(repo, address)
    repo.git('push', '-q', '-u', 'origin', 'main')
    return address


def is_model(repo: Repo, name: str) -> bool:
    return not repo.read(name).startswith(b'git-model manifest')


def test_a_checkout_fetches_the_models_that_are_wanted(
    repo: Repo, url: str, tmp_path: Path,
) -> None:
    repo.git('config', '--global', '--add', 'model.fetchExclude', 'drafts')
    done = repo.run('git', 'clone', '-q', '-c', 'remote.origin.modelStore=git', url,
                    str(tmp_path / 'bob'))
    assert done.err == ''
    bob = Repo(tmp_path / 'bob')
    assert is_model(bob, A) and not is_model(bob, B)
    assert bob.status() == ''
    assert bob.git('model', 'pull') == 'All models are here.\n'
    assert bob.git('model', 'pull', B) == 'Wrote 1 model.\n'
    assert bob.sha256(B) == repo.sha256(B)
    assert bob.status() == ''


def test_what_is_asked_for_counts_more_than_the_configuration(
    repo: Repo, url: str, tmp_path: Path,
) -> None:
    repo.git('config', '--global', 'model.fetchInclude', 'nothing')
    bob = remotes.clone(repo, url, tmp_path / 'bob')
    assert not is_model(bob, A) and not is_model(bob, B)
    assert bob.git('model', 'fetch', '--include=*', '--exclude=a.*') == (
        'Got 4 tensors.\n'
    )
    bob.git('model', 'pull', '-I', 'drafts')
    assert is_model(bob, B) and not is_model(bob, A)


def test_some_tensors_are_enough_to_merge(
    repo: Repo, url: str, tmp_path: Path,
) -> None:
    repo.git('checkout', '-q', '-b', 'topic', 'HEAD~1')
    old = repo.load(A)
    repo.save(A, u=old['u'], v=[0.5] * 30)
    repo.commit('v')
    repo.git('push', '-q', 'origin', 'topic')
    bob = Repo(tmp_path / 'bob')
    repo.run('git', 'clone', '-q', '-c', 'remote.origin.modelStore=git', url,
             str(bob.path), env={'GIT_MODEL_SKIP_SMUDGE': '1'})
    bob.git('model', 'install', '--local')
    said = bob.git('model', 'fetch', '--tensors', 'v', '-I', A)
    assert said == 'Got 3 tensors.\n'
    bob.git('config', 'remote.origin.url', f'{url}-gone')
    done = bob.run('git', 'merge', '-q', 'origin/topic',
                   env={'GIT_MODEL_SKIP_SMUDGE': '1'})
    assert '1 from ours' in done.err and '1 by linear' in done.err


def test_missing_tensors_fail_a_checkout_where_they_must_be_there(
    repo: Repo, url: str, tmp_path: Path,
) -> None:
    (tmp_path / 'srv/bare.git/objects/pack').rename(tmp_path / 'away')
    bob = Repo(tmp_path / 'bob')
    repo.git('clone', '-q', str(repo.path), str(bob.path),
             env={'GIT_MODEL_SKIP_SMUDGE': '1'})
    bob.git('config', 'remote.origin.modelStore', 'git')
    repo.lose()
    bob.git('model', 'install', '--local')
    for when in ('now', 'later'):
        done = bob.run('git', '-c', f'model.materialize={when}', '-c',
                       'model.missing=error', 'checkout', '-f', 'HEAD~1', code=None)
        assert done.code != 0
        assert "'a.safetensors' has 2 tensors that are not in the store" in done.err
        assert 'hint: get what is missing with "git model pull a.saf' in done.err
    done = bob.run('git', '-c', 'model.missing=perhaps', 'checkout', '-f', 'HEAD~1',
                   code=None)
    assert "'model.missing' is 'manifest' or 'error', not 'perhaps'" in done.err
    bob.git('checkout', '-q', '-f', 'HEAD~1')
    assert not is_model(bob, A)


def test_a_remote_is_checked(repo: Repo, url: str, tmp_path: Path) -> None:
    assert repo.git('model', 'fsck', '--remote=origin') == (
        '8 objects needed, all is well\n'
    )
    assert not any((repo.path / '.git/model/tmp').iterdir())
    assert repo.git('model', 'fsck', '--remote', 'origin', '--fast') == (
        '8 objects needed, all is well\n'
    )
    repo.save(A, u=[1.0], v=[2.0])
    repo.commit('pushed without its tensors')
    repo.git('push', '-q', '--no-verify')
    done = repo.run('git', 'model', 'fsck', '--remote', 'origin', '--fast', code=1)
    assert done.out.count("missing on 'origin', needed by ") == 2
    assert done.out.endswith('\n2 problems found\n')
    assert done.err == 'hint: send again what is here: git model push origin\n'
    repo.git('model', 'push', 'origin')
    assert repo.git('model', 'fsck', '--remote', 'origin').endswith('all is well\n')


def test_what_a_remote_has_may_be_pruned(repo: Repo, url: str) -> None:
    before = repo.store()
    said = repo.git('model', 'prune', '--pushed', '--expire=now')
    assert said.startswith('Removed 4 objects (')
    assert len(before - repo.store()) == 4
    repo.git('checkout', '-q', 'HEAD~1')
    assert is_model(repo, A) and is_model(repo, B)
    assert repo.git('model', 'fsck').endswith('all is well\n')


def test_what_a_remote_lacks_is_not_pruned(repo: Repo, url: str) -> None:
    refs = repo.git('ls-remote', url, 'refs/models/*').split()[1::2]
    repo.git('push', '-q', '--no-verify', url, *(f':{ref}' for ref in refs))
    before = repo.store()
    done = repo.run('git', 'model', 'prune', '--pushed', '--expire=now', code=1)
    assert 'no copy could be verified' in done.err
    assert repo.store() == before
