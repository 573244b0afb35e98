"""Networks, servers and disks that fail while tensors are on their way."""
from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from tests.testing import remotes
from tests.testing import servers
from tests.testing.repository import Done
from tests.testing.repository import Repo
from tests.testing.servers import Faults

M = 'm.safetensors'
LARGE = 300_000     # bytes: less than the tensors, more than all else


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def url(
    repo: Repo, tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """A bare repository at http://, and a model in ours."""
    monkeypatch.setenv('GIT_ALLOW_PROTOCOL', 'file:http')
    remotes.bare(repo, tmp_path)
    rng = numpy.random.default_rng(3)
    repo.save(M, **{x: rng.random((300, 300)).astype('float32') for x in ('a', 'b')})
    repo.commit('a model')
    with servers.http(tmp_path / 'srv', faults) as address:
        remotes.connect(repo, f'{address}/bare.git')
        yield f'{address}/bare.git'


def branches(repo: Repo, url: str) -> str:
    return repo.git('ls-remote', '--heads', url)


def check_clone(repo: Repo, url: str, path: Path) -> None:
    made = remotes.clone(repo, url, path)
    assert made.sha256(M) == repo.sha256(M)
    made.git('model', 'fetch')
    assert made.git('model', 'fsck').endswith('all is well\n')


def no_traceback(done: Done) -> None:
    assert 'Traceback' not in done.err and 'bug in git-model' not in done.err


def test_a_push_that_is_cut_publishes_nothing_and_goes_on(
    repo: Repo, url: str, tmp_path: Path, faults: Faults,
) -> None:
    faults.longest_request = LARGE
    done = repo.run('git', 'push', '-q', 'origin', 'main', code=1)
    no_traceback(done)
    assert 'hint: see that "git ls-remote origin" works, then run' in done.err
    assert branches(repo, url) == ''
    faults.longest_request = 1 << 60
    assert repo.run('git', 'push', '-q', 'origin', 'main').err == (
        "Sent 2 tensors to 'origin'\n"
    )
    check_clone(repo, url, tmp_path / 'bob')
    assert not any((repo.path / '.git/model/tmp').iterdir())


def test_a_clone_that_is_cut_goes_on(
    repo: Repo, url: str, tmp_path: Path, faults: Faults,
) -> None:
    repo.git('push', '-q', 'origin', 'main')
    faults.longest_answer = LARGE
    bob = Repo(tmp_path / 'bob')
    done = repo.run('git', 'clone', '-q', url, str(bob.path))
    no_traceback(done)
    assert f"warning: '{M}' has 2 tensors that are not in the store: " in done.err
    assert 'broke off while tensors arrived' in done.err
    assert f'hint: get what is missing with "git model pull {M}"' in done.err
    assert bob.read(M).startswith(b'git-model manifest')
    assert bob.status() == ''
    done = bob.run('git', 'model', 'fetch', code=128)
    no_traceback(done)
    assert 'Got 0 tensors.' in done.out
    faults.longest_answer = 1 << 60
    assert bob.git('model', 'pull') == 'Wrote 1 model.\n'
    assert bob.sha256(M) == repo.sha256(M)
    assert not any((bob.path / '.git/model/tmp').iterdir())


@pytest.mark.parametrize('given', ['wrong', 'right'])
def test_credentials_come_from_git(
    repo: Repo, url: str, tmp_path: Path, faults: Faults, given: str,
) -> None:
    faults.password = 'right'
    helper = f'!f() {{ echo username=ann; echo password={given}; }}; f'
    repo.git('config', '--global', 'credential.helper', helper)
    if given == 'right':
        done = repo.run('git', 'push', '-q', 'origin', 'main')
        assert done.err == "Sent 2 tensors to 'origin'\n"
        check_clone(repo, url, tmp_path / 'bob')
        return
    repo.git('push', '-q', 'origin', 'main', code=128)      # git does not get so far
    done = repo.run('git', 'model', 'push', 'origin', code=128)
    no_traceback(done)
    assert done.err == (
        f"error: Authentication failed for '{url}/'\n"
        'hint: see that "git ls-remote origin" works, then run the command again: it '
        'goes on where this one ended\n'
    )
    faults.password = None
    assert branches(repo, url) == ''


def test_a_full_disk_leaves_manifests_and_a_clone_that_goes_on(
    repo: Repo, url: str, tmp_path: Path,
) -> None:
    repo.git('push', '-q', 'origin', 'main')
    bob = Repo(tmp_path / 'bob')
    blocks = 256 << 10 >> 9
    done = repo.run('sh', '-c', f'ulimit -f {blocks}; exec git clone -q {url} "$0"',
                    str(bob.path))
    no_traceback(done)
    assert 'hint: cannot write to the store ' in done.err
    assert bob.read(M).startswith(b'git-model manifest'), done
    assert bob.git('model', 'pull') == 'Wrote 1 model.\n'
    assert bob.sha256(M) == repo.sha256(M)


def test_a_push_is_killed_and_begun_again(
    repo: Repo, url: str, tmp_path: Path,
) -> None:
    rng = numpy.random.default_rng(4)
    pauses = (0.1, 0.2, 0.3, 0.5, 0.8)
    for pause in pauses:
        repo.save(M, a=rng.random((300, 300)).astype('float32'))
        repo.commit(f'killed after {pause} s')
        process = subprocess.Popen(
            ('git', 'push', '-q', 'origin', 'main'), cwd=repo.path,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )
        time.sleep(pause)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        published = branches(repo, url)
        if published:
            bob = Repo(tmp_path / f'bob {pause}')
            repo.git('clone', '-q', url, str(bob.path))
            assert not bob.read(M).startswith(b'git-model manifest')
    repo.git('push', '-q', 'origin', 'main')
    check_clone(repo, url, tmp_path / 'bob')
    assert repo.git('model', 'fsck', '--remote', 'origin').endswith('all is well\n')


def test_an_object_that_another_put_there_is_not_believed(
    repo: Repo, url: str, tmp_path: Path,
) -> None:
    """Somebody who may push sends other bytes under the name of a tensor."""
    from git_model_driver.transfer.gitrefs import packing
    from git_model_driver.transfer.outgoing import Outgoing
    from git_model_driver.transfer.seals import Plain

    oids = sorted(repo.store())
    one, other = (
        repo.path / '.git/model/objects' / oid[7:9] / oid[9:] for oid in oids[:2]
    )
    server = Repo(tmp_path / 'srv/bare.git')
    swapped = [
        Outgoing(oids[0], other, other.stat().st_size, None),   # type: ignore[arg-type]
        Outgoing(oids[1], one, one.stat().st_size, None),       # type: ignore[arg-type]
    ]
    os.environ['GIT_DIR'] = str(repo.path / '.git')
    try:
        folder = repo.path / '.git/objects/pack'
        _, _, refs = packing.written(folder, swapped, Plain(), 'sha1')
    finally:
        del os.environ['GIT_DIR']
    specs = [f'{ref.oid}:{ref.name}' for ref in refs]
    repo.git('push', '-q', '--no-verify', 'origin', 'main', *specs)
    assert server.git('for-each-ref', 'refs/models').count('\n') == 2
    bob = Repo(tmp_path / 'bob')
    done = repo.run('git', 'clone', '-q', url, str(bob.path))
    no_traceback(done)
    assert bob.read(M).startswith(b'git-model manifest')
    assert 'holds other bytes than its name says' in done.err
    assert bob.store() == set()
