"""A signed commit or tag vouches for every byte of the models in it."""
from __future__ import annotations

import shutil
from pathlib import Path

import numpy
import pytest

from tests.testing.repository import Repo

M = 'm.safetensors'

pytestmark = pytest.mark.skipif(
    shutil.which('ssh-keygen') is None, reason='ssh-keygen signs',
)


@pytest.fixture
def signed(repo: Repo, tmp_path: Path) -> Repo:
    """A signed commit with a model, and a signed tag."""
    key = tmp_path / 'key'
    repo.run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', str(key))
    public = (tmp_path / 'key.pub').read_text()
    (tmp_path / 'signers').write_text(f'ann@example.com {public}')
    for name, value in (
        ('gpg.format', 'ssh'), ('user.signingKey', str(key)),
        ('gpg.ssh.allowedSignersFile', str(tmp_path / 'signers')),
        ('commit.gpgSign', 'true'),
    ):
        repo.git('config', name, value)
    repo.save(M, a=numpy.random.default_rng(1).random((40, 40)).astype('float32'))
    repo.commit('a model')
    repo.git('tag', '-s', '-m', 'released', 'v1')
    return repo


def test_the_signature_covers_the_oid_of_every_tensor(signed: Repo) -> None:
    signed.git('verify-commit', 'HEAD')
    signed.git('verify-tag', 'v1')
    manifest = signed.manifest()
    oid = next(o for o in signed.store() if o.removeprefix('sha256:') in manifest)
    forged = manifest.replace(oid.removeprefix('sha256:'), '0' * 64)
    blob = signed.git('hash-object', '-w', '--stdin', input=forged.encode()).strip()
    entry = signed.git('ls-tree', 'HEAD', M).split()[2]
    listed = signed.git('ls-tree', 'HEAD').replace(entry, blob)
    tree = signed.git('mktree', input=listed.encode()).strip()
    commit = signed.git('cat-file', 'commit', 'HEAD')
    old_tree = signed.git('rev-parse', 'HEAD^{tree}').strip()
    made = signed.git('hash-object', '-w', '-t', 'commit', '--stdin',
                      input=commit.replace(old_tree, tree).encode()).strip()
    assert 'BAD' in signed.run('git', 'verify-commit', made, code=1).err or (
        'incorrect' in signed.run('git', 'verify-commit', made, code=1).err.lower()
    )


def test_a_flipped_byte_of_a_tensor_is_caught(signed: Repo) -> None:
    signed.git('model', 'fsck')
    largest = max(
        (signed.path / '.git/model/objects').glob('??/*'),
        key=lambda path: path.stat().st_size,
    )
    largest.chmod(0o600)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    done = signed.run('git', 'model', 'fsck', code=1)
    assert done.out.endswith('\n1 problem found\n') and 'damaged' in done.out
    (signed.path / M).unlink()
    assert 'is damaged' in signed.run('git', 'checkout', '--', M).err
    assert signed.read(M).startswith(b'git-model manifest v1\n')


def test_a_clone_can_tell(signed: Repo, tmp_path: Path) -> None:
    signed.git('model', 'install')
    bob = signed.clone(tmp_path / 'bob')
    bob.git('config', 'gpg.ssh.allowedSignersFile', str(tmp_path / 'signers'))
    bob.git('-c', 'gpg.format=ssh', 'verify-tag', 'v1')
    assert bob.sha256(M) == signed.sha256(M)
