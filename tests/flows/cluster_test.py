"""git model evaluate on a cluster: one of this machine, where dask or ray is installed.
"""
from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.testing.repository import Repo

# Says who asked: the parent of the shell that runs it.
EVALUATE = '''\
import os
from safetensors.numpy import load_file
asker = open(f'/proc/{os.getppid()}/stat').read().split()[3]
with open(os.environ['LOG'], 'a') as log:
    log.write(asker + '\\n')
quality = float(load_file(os.environ["MODEL_PATH"])["w"][0])
print(quality + int(os.environ["MODEL_FOLD"]))
'''
COMMAND = 'python3 eval.py {fold}; true'        # so that the shell stays


def history(repo: Repo) -> None:
    repo.write('eval.py', EVALUATE)
    repo.save("m 'ü.safetensors", w=[.5])
    repo.commit('one')
    repo.git('checkout', '-q', '-b', 'better')
    repo.save("m 'ü.safetensors", w=[.75])
    repo.commit('two')


@pytest.fixture
def log(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('LOG', str(tmp_path / 'log'))
    history(repo)
    return tmp_path / 'log'


def evaluated(repo: Repo, backend: str) -> dict[str, Any]:
    done = repo.run('git', 'model', 'evaluate', '--json', '--backend', backend,
                    '--command', COMMAND, 'main', 'better')
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch, log: Path) -> Iterator[set[int]]:
    """The processes of a cluster of two."""
    distributed = pytest.importorskip('dask.distributed')
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        monkeypatch.setenv('DASK_SCHEDULER_ADDRESS', cluster.scheduler_address)
        yield set(client.run(os.getpid).values())


@pytest.mark.filterwarnings('default')      # dask's own
def test_the_workers_of_a_dask_cluster_ask(
    repo: Repo, log: Path, workers: set[int],
) -> None:
    found = evaluated(repo, 'dask')
    assert [each['folds'] for each in found['results']] == [
        [fold + quality for fold in range(5)] for quality in (.5, .75)]
    assert found['asked'] == 10
    askers = [int(line) for line in log.read_text().splitlines()]
    assert len(askers) == 10 and set(askers) <= workers
    assert evaluated(repo, 'dask')['asked'] == 0
    assert not list((repo.path / '.git/model/evaluating').iterdir())


def test_the_workers_of_ray_ask(repo: Repo, log: Path) -> None:
    pytest.importorskip('ray')
    found = evaluated(repo, 'ray')
    assert [each['folds'][0] for each in found['results']] == [.5, .75]
    assert (found['asked'], len(log.read_text().splitlines())) == (10, 10)
    assert evaluated(repo, 'ray')['asked'] == 0


@pytest.mark.parametrize('backend', ['dask', 'ray'])
def test_a_backend_that_is_not_installed_is_told(repo: Repo, backend: str) -> None:
    package = {'dask': 'dask.distributed', 'ray': 'ray'}[backend]
    try:
        __import__(package)
    except ImportError:
        repo.save('m.safetensors', w=[1.])
        repo.commit('one')
        said = repo.run('git', 'model', 'evaluate', '--command', 'echo {fold}',
                        '--backend', backend, code=128).err
        assert f"error: the backend '{backend}' needs a package that is not" in said
        assert 'Traceback' not in said
    else:
        pytest.skip('it is installed')
