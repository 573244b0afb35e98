"""git model gc: the same bytes in less room."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.oid import Oid
from git_model_driver.store.chains import Chains
from git_model_driver.store.objectheader import UPDATED
from git_model_driver.store.objects import Store
from tests.testing.repository import Repo

SHAPE = 160, 192


def drawn(seed: int, size: float = 0.02) -> numpy.ndarray:
    rng = numpy.random.default_rng(seed)
    return rng.standard_normal(SHAPE).astype(numpy.float32) * numpy.float32(size)


def lora(seed: int) -> numpy.ndarray:
    rng = numpy.random.default_rng(seed)
    b = rng.standard_normal((SHAPE[0], 4)).astype(numpy.float32) * numpy.float32(0.1)
    a = rng.standard_normal((4, SHAPE[1])).astype(numpy.float32) * numpy.float32(0.1)
    return drawn(0) + b @ a


def size_of(repo: Repo) -> int:
    files = (repo.path / '.git/model/objects').glob('??/*')
    return sum(file.stat().st_size for file in files)


def commit_all(repo: Repo, *versions: numpy.ndarray) -> list[str]:
    digests = []
    for i, version in enumerate(versions):
        repo.save('m.safetensors', a=version)
        repo.commit(f'version {i}')
        digests.append(repo.sha256('m.safetensors'))
    return digests


def check_all(repo: Repo, digests: list[str]) -> None:
    tip = repo.git('rev-parse', 'HEAD').strip()
    for back, digest in enumerate(reversed(digests)):
        repo.git('checkout', '-q', '-f', f'{tip}~{back}')
        assert repo.sha256('m.safetensors') == digest
    repo.git('checkout', '-q', '-f', tip)
    assert repo.git('model', 'fsck').endswith('all is well\n')


def test_updates_of_one_base_are_found_over_history(repo: Repo) -> None:
    digests = commit_all(repo, *(lora(i) if i else drawn(0) for i in range(5)))
    before = size_of(repo)
    first = repo.git('model', 'gc').splitlines()[-1]
    assert first.startswith('Looked at 5 objects, encoded ')
    assert size_of(repo) < 0.97 * before
    check_all(repo, digests)
    assert repo.git('model', 'gc') == (
        'Looked at 0 objects, encoded 0 better: 0 B became 0 B.\n'
    )
    again = repo.git('model', 'gc', '--aggressive')
    assert again.startswith('Looked at 5 objects, encoded 0 better: ')


def test_a_file_under_another_name_is_a_base_too(repo: Repo) -> None:
    repo.save('one.safetensors', a=drawn(0))
    repo.commit('one')
    repo.save('two.safetensors', a=drawn(0) + drawn(1, 1e-5))
    repo.commit('two')
    digest = repo.sha256('two.safetensors')
    assert size_of(repo) > 1.5 * SHAPE[0] * SHAPE[1] * 4
    repo.git('model', 'gc')
    assert size_of(repo) < 1.4 * SHAPE[0] * SHAPE[1] * 4
    (repo.path / 'two.safetensors').unlink()
    repo.git('checkout', '--', 'two.safetensors')
    assert repo.sha256('two.safetensors') == digest


def test_a_merge_is_stored_as_what_it_is(repo: Repo) -> None:
    """Both sides had a LoRA merged in: so has their mean, of twice the rank."""
    repo.git('config', 'model.merge', 'linear')
    repo.diverge({'a': drawn(0)}, {'a': lora(1)}, {'a': lora(2)})
    repo.git('merge', '-q', '--no-edit', 'topic')
    digest = repo.sha256('m.safetensors')
    repo.git('model', 'gc')
    oid = repo.manifest().rpartition(' ')[2].strip()
    with Store(repo.path / '.git/model').open(Oid(oid)) as file:
        assert file.header.codec == UPDATED
    (repo.path / 'm.safetensors').unlink()
    repo.git('checkout', '--', 'm.safetensors')
    assert repo.sha256('m.safetensors') == digest


def test_chains_stay_short(repo: Repo) -> None:
    versions = [drawn(0)]
    for i in range(1, 14):
        versions.append(versions[-1] + drawn(i, 1e-5))
    digests = commit_all(repo, *versions)
    for options in ((), ('--aggressive',)):
        repo.git('model', 'gc', *options)
        store = Store(repo.path / '.git/model')
        for oid in store:
            depth = 0
            while True:
                with store.open(oid) as file:
                    if file.header.base is None:
                        break
                    oid, depth = file.header.base, depth + 1
            assert depth <= 8
    check_all(repo, digests)


def test_gc_removes_what_nothing_needs(repo: Repo) -> None:
    commit_all(repo, drawn(0), drawn(1))
    repo.git('reset', '-q', '--hard', 'HEAD~1')
    repo.git('update-ref', '-d', 'ORIG_HEAD')
    repo.git('reflog', 'expire', '--all', '--expire=now')
    assert len(repo.store()) == 2
    repo.git('model', 'gc', '--no-prune', '--prune=now')
    assert len(repo.store()) == 2
    assert repo.git('model', 'gc').startswith('Looked at 0 objects, ')
    assert repo.git('model', 'gc', '--prune=now').startswith('Removed 1 object (')
    assert len(repo.store()) == 1
    assert repo.git('model', 'gc', '-q') == ''


def test_a_damaged_object_is_left_to_fsck(repo: Repo) -> None:
    commit_all(repo, drawn(0), drawn(0) + drawn(1, 1e-5))
    oid = repo.manifest(revision='HEAD~1').rpartition(' ')[2].strip()
    digits = oid.removeprefix('sha256:')
    file = repo.path / '.git/model/objects' / digits[:2] / digits[2:]
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.unlink()
    file.write_bytes(data)
    assert repo.git('model', 'gc').startswith('Looked at 2 objects, encoded 0 better: ')
    assert file.read_bytes() == bytes(data)
    with pytest.raises(CorruptObject):
        Store(repo.path / '.git/model').read(Oid(oid))


def test_text_is_compressed_harder(repo: Repo, tmp_path: Path) -> None:
    """The skeleton of an archive is text, most of it."""
    repo.git('model', 'track', '*.npz')
    arrays = {f'some.long.name.{i}': numpy.float32(i) for i in range(400)}
    numpy.savez(repo.path / 'm.npz', **arrays)
    repo.commit('many')
    digest, before = repo.sha256('m.npz'), size_of(repo)
    repo.git('model', 'gc')
    assert size_of(repo) < before
    (repo.path / 'm.npz').unlink()
    repo.git('checkout', '--', 'm.npz')
    assert repo.sha256('m.npz') == digest


_READ = '''
import sys
from pathlib import Path
from git_model_driver.core.oid import Oid
from git_model_driver.store.digest import check_digest
from git_model_driver.store.objects import Store
store = Store(Path(sys.argv[1]))
for _ in range(40):
    for oid in list(store):
        with store.open(oid) as file:
            check_digest(file)
'''


def test_readers_go_on_while_objects_are_replaced(repo: Repo) -> None:
    digests = commit_all(repo, *(lora(i) if i else drawn(0) for i in range(6)))
    root = repo.path / '.git/model'
    readers = [
        subprocess.Popen([sys.executable, '-c', _READ, str(root)]) for _ in range(2)
    ]
    repo.git('model', 'gc', '--aggressive', '--prune=now')
    assert [reader.wait(120) for reader in readers] == [0, 0]
    check_all(repo, digests)


def test_no_chain_becomes_a_circle() -> None:
    a, b, c, d = (Oid(f'sha256:{i:064x}') for i in range(4))
    chains = Chains([(a, None), (b, a), (c, b)], 3)
    assert not chains.may_base(a, c) and not chains.may_base(a, a)
    assert chains.may_base(c, a) and chains.may_base(d, c)
    chains.set(d, c)
    assert chains.above(d) == [c, b, a]
    assert not chains.may_base(Oid(f'sha256:{9:064x}'), d)
    chains.set(c, None)
    assert chains.may_base(a, c) and not chains.may_base(c, d)
