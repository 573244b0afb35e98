"""Tensors on a Git LFS server that others wrote: giftless, as it comes from PyPI."""
from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testing.repository import Repo
from tests.testing.servers import HOST
from tests.testing.servers import wait_for

pytestmark = pytest.mark.slow
LFS = shutil.which('git-lfs') is None
M = 'm.safetensors'
# It does not say what it needs, and knows no newer PyJWT and Flask.
NEEDED = (
    'giftless==0.6.2', 'pyjwt<2.10', 'flask<3', 'flask-marshmallow', 'marshmallow<4',
    'flask-classful', 'webargs', 'python-dotenv', 'pyyaml', 'figcan', 'cachetools',
    'python-dateutil', 'cryptography', 'typing_extensions', 'requests',
)
SERVE = '''
import sys
from giftless.wsgi_entrypoint import app
app.run(sys.argv[1], int(sys.argv[2]), threaded=True)
'''


@pytest.fixture(scope='module')
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has it: an environment of its own."""
    folder = tmp_path_factory.mktemp('giftless')
    venv.create(folder, with_pip=True)
    found = folder / 'bin/python'
    done = subprocess.run(
        (found, '-m', 'pip', 'install', '--quiet', *NEEDED), capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f'giftless cannot be installed: {done.stderr.decode()[-300:]}')
    return found


@pytest.fixture
def url(python: Path, tmp_path: Path) -> Iterator[str]:
    """The server's API for a repository; what it has is in ``tmp_path / 'lfs'``."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    storage = {'storage_options': {'path': str(tmp_path / 'lfs')}}
    config = {
        'AUTH_PROVIDERS': ['giftless.auth.allow_anon:read_write'],
        'TRANSFER_ADAPTERS': {'basic': {'options': storage}},
    }
    (tmp_path / 'giftless.yaml').write_text(json.dumps(config))
    process = subprocess.Popen(
        (python, '-W', 'ignore', '-c', SERVE, HOST, str(port)), cwd=tmp_path,
        env={**os.environ, 'GIFTLESS_CONFIG_FILE': str(tmp_path / 'giftless.yaml')},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield f'http://{HOST}:{port}/some/models.git/info/lfs'
    finally:
        process.terminate()
        process.wait()


def stored(tmp_path: Path) -> dict[str, str]:
    """By its name, the SHA-256 of each file that the server has."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / 'lfs').rglob('*') if path.is_file()
    }


def test_giftless_takes_and_gives_tensors(
    repo: Repo, url: str, tmp_path: Path,
) -> None:
    repo.git('model', 'install')
    bare = tmp_path / 'bare.git'
    repo.git('init', '-q', '--bare', '-b', 'main', str(bare))
    repo.git('config', '--global', 'lfs.url', url)
    repo.git('config', '--global', 'remote.origin.modelStore', 'lfs')
    repo.git('remote', 'add', 'origin', str(bare))
    for version in (1.0, 2.0):
        repo.save(M, x=[version] * 50_000, y=[0.5])
        repo.commit(f'version {version}')
    done = repo.run('git', 'push', '-q', '-u', 'origin', 'main')
    assert done.err == "Sent 3 tensors to 'origin' (Git LFS)\n"
    found = stored(tmp_path)
    assert found == {name: name for name in found} and len(found) == 3
    assert repo.run('git', 'push', 'origin', 'main').err == 'Everything up-to-date\n'
    bob = Repo(tmp_path / 'bob')
    repo.git('clone', '-q', str(bare), str(bob.path))
    assert bob.sha256(M) == repo.sha256(M)
    bob.git('checkout', '-q', 'HEAD~1')
    assert bob.git('model', 'fsck') == '3 objects needed, all is well\n'
    bob.git('checkout', '-q', 'main')
    bob.save(M, x=[2.0] * 50_000, y=[0.75])
    bob.commit('bob')
    assert bob.run('git', 'push', '-q').err == "Sent 1 tensor to 'origin' (Git LFS)\n"
    repo.git('pull', '-q')
    assert repo.sha256(M) == bob.sha256(M)


@pytest.mark.skipif(LFS, reason='git-lfs is not installed')
def test_git_lfs_gets_the_same_from_giftless(
    repo: Repo, url: str, tmp_path: Path,
) -> None:
    """What we sent is there for anybody who speaks its language."""
    repo.git('model', 'install')
    repo.git('config', '--global', 'lfs.url', url)
    repo.git('config', '--global', 'remote.origin.modelStore', 'lfs')
    bare = tmp_path / 'bare.git'
    repo.git('init', '-q', '--bare', '-b', 'main', str(bare))
    repo.git('remote', 'add', 'origin', str(bare))
    repo.save(M, x=[1.0] * 1000)
    repo.commit('one')
    repo.git('push', '-q', 'origin', 'main')
    (oid,) = stored(tmp_path)
    theirs = Repo(tmp_path / 'theirs')
    repo.git('init', '-q', str(theirs.path))
    theirs.git('lfs', 'install', '--local', '--skip-repo')
    version = 'version https://git-lfs.github.com/spec/v1'
    pointer = f'{version}\noid sha256:{oid}\nsize 4000\n'
    done = theirs.run('git', 'lfs', 'smudge', input=pointer.encode())
    assert hashlib.sha256(os.fsencode(done.out)).hexdigest() == oid
