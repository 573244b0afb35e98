"""Bad input and bad luck: a clear error, nothing lost, all usable afterwards."""
from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy
import pytest

from tests.testing.repository import Repo

# Runs in every Python process that has its folder on PYTHONPATH: that of the
# filter, by a program of its name that comes first on PATH.
_KILL = '''
import os, signal
_calls = 0
def _fatal(real):
    def call(*args, **options):
        global _calls
        _calls += 1
        if _calls == {at}:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    return call
for name in ('replace', 'fchmod', 'fsync', 'pwrite'):
    setattr(os, name, _fatal(getattr(os, name)))
'''
_OVERWRITE = '''
import os
_real, _done = os.preadv, []
def _preadv(fd, buffers, offset):
    n = _real(fd, buffers, offset)
    if not _done and offset > 0:
        _done.append(True)
        with open({path!r}, {mode!r}) as file:
            file.write(b'something else')
    return n
os.preadv = _preadv
'''


def sabotage(tmp_path: Path, code: str) -> dict[str, str]:
    folder = tmp_path / 'sabotage'
    folder.mkdir(exist_ok=True)
    (folder / 'sitecustomize.py').write_text(code)
    program = folder / 'git-model'
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={folder} exec {shutil.which("git-model")} "$@"\n',
    )
    program.chmod(0o755)
    return {
        'PATH': f'{folder}{os.pathsep}{os.environ["PATH"]}',
        'PYTHONDONTWRITEBYTECODE': '1',
    }


def objects(repo: Repo) -> list[Path]:
    return sorted((repo.path / '.git/model/objects').glob('*/*'))


def object_of(repo: Repo, tensor: str, name: str = 'm.safetensors') -> Path:
    line, = (
        line for line in repo.manifest(name).splitlines()
        if line.startswith(f'tensor {tensor} ')
    )
    digits = line.rpartition('sha256:')[2]
    return repo.path / '.git/model/objects' / digits[:2] / digits[2:]


@pytest.fixture
def two(repo: Repo) -> Repo:
    """Two versions: a=[1,2] b=[3,4], then a=[5,6]."""
    repo.save('m.safetensors', a=[1.0, 2.0], b=[3.0, 4.0])
    repo.commit('one')
    repo.save('m.safetensors', a=[5.0, 6.0], b=[3.0, 4.0])
    repo.commit('two')
    return repo


def test_a_hand_damaged_manifest_is_refused_with_its_line(two: Repo) -> None:
    text = two.manifest().replace(' F32 2 ', ' F32 ', 1)
    two.write('m.safetensors', text)
    done = two.run('git', 'add', 'm.safetensors', code=128)
    assert done.err == (
        "error: the manifest in 'm.safetensors' line 7: "
        'expected 5 words, found 4\n'
        'hint: it was probably edited by hand; the last good version is '
        '"git show HEAD:m.safetensors", and "git checkout HEAD -- m.safetensors" '
        'brings it back\n'
        "fatal: m.safetensors: clean filter 'model' failed\n"
    )
    two.git('checkout', 'HEAD', '--', 'm.safetensors')
    assert two.load() == {'a': [5.0, 6.0], 'b': [3.0, 4.0]}
    assert two.status() == ''


def test_a_damaged_manifest_that_was_committed_can_be_left_again(two: Repo) -> None:
    damaged = two.manifest().replace('layout canonical\n', '')
    blob = two.git('hash-object', '-w', '--stdin', input=damaged.encode()).strip()
    two.git('update-index', '--cacheinfo', f'100644,{blob},m.safetensors')
    two.git('commit', '-q', '-m', 'damaged')
    done = two.run('git', 'checkout', '--', 'm.safetensors')
    assert done.err.startswith(
        "warning: the manifest in 'm.safetensors' is incomplete: no line 'layout': "
        "'m.safetensors' stays a manifest\n",
    )
    assert two.read('m.safetensors').decode() == damaged
    assert two.status() == ''
    assert two.run('git', 'model', 'fsck', code=1).out.startswith(
        f"'m.safetensors' (blob {blob[:12]}): the manifest in 'm.safetensors' is "
        "incomplete: no line 'layout'\n",
    )
    two.git('checkout', '-q', 'HEAD~1')
    assert two.load() == {'a': [5.0, 6.0], 'b': [3.0, 4.0]}


def test_a_newer_manifest_is_left_alone_with_a_word(two: Repo) -> None:
    newer = two.manifest().replace('manifest v1', 'manifest v2')
    two.write('m.safetensors', newer)
    assert two.run('git', 'add', 'm.safetensors', code=128).err == (
        "error: the manifest in 'm.safetensors' is of version 'v2': it was written by "
        'a newer git-model\n'
        'hint: upgrade with "pip install --upgrade git-model-driver"\n'
        "fatal: m.safetensors: clean filter 'model' failed\n"
    )


def test_a_missing_object_leaves_that_file_a_manifest(two: Repo) -> None:
    two.save('n.safetensors', c=[7.0])
    two.commit('three')
    place = object_of(two, 'a')
    two.git('checkout', '-q', 'HEAD~2')
    lost = place.rename(two.path / 'lost')
    done = two.run('git', 'checkout', '-q', 'main')
    assert done.err == (
        "warning: 'm.safetensors' has 1 tensor that is not in the store: "
        "'m.safetensors' stays a manifest\n"
        'hint: get what is missing with "git model pull m.safetensors"\n'
    )
    assert two.read('m.safetensors').decode() == two.manifest()
    assert two.load('n.safetensors') == {'c': [7.0]}
    assert two.status() == '?? lost\n'
    assert two.git('model', 'status', '--porcelain') == '?M 1 8 m.safetensors\n'
    commit = two.git('rev-parse', '--short', 'main~1').strip()
    assert two.run('git', 'model', 'fsck', code=1).out == (
        f'sha256:{place.parent.name}{place.name}: missing, needed by '
        f"tensor 'a' of 'm.safetensors' in {commit} (two)\n1 problem found\n"
    )
    assert two.run('git', 'model', 'pull', code=128).err == (
        'error: tensors of 1 model are on no remote that can be read from here: '
        'm.safetensors\n'
        'hint: see the remotes with "git remote -v"; where the tensors are, say '
        '"git model push <remote>"\n'
    )
    lost.rename(place)
    assert two.git('model', 'checkout') == 'Wrote 1 model.\n'
    assert two.load() == {'a': [5.0, 6.0], 'b': [3.0, 4.0]}
    assert two.status() == ''


def test_a_corrupt_object_is_found_before_anything_is_written(two: Repo) -> None:
    path = object_of(two, 'a')
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    two.git('checkout', '-q', 'HEAD~1')
    done = two.run('git', 'checkout', '-q', 'main')
    oid = f'sha256:{path.parent.name}{path.name}'
    assert done.err == (
        f"warning: tensor 'a' of 'm.safetensors': the object {oid} in the store is "
        "damaged: 'm.safetensors' stays a manifest\n"
        'hint: see what is affected with "git model fsck", '
        'mend it with "git model fsck --repair"\n'
        'hint: then write it with "git model pull m.safetensors"\n'
    )
    assert two.read('m.safetensors').decode() == two.manifest()
    assert two.status() == ''
    commit = two.git('rev-parse', '--short', 'main').strip()
    assert two.run('git', 'model', 'fsck', code=1).out == (
        f"{oid}: damaged, needed by tensor 'a' of 'm.safetensors' in {commit} (two)\n"
        '1 problem found\n'
    )


def test_a_merge_that_needs_a_missing_tensor_is_a_conflict_not_ours(two: Repo) -> None:
    two.git('checkout', '-q', '-b', 'topic', 'HEAD~1')
    two.save('m.safetensors', a=[9.0, 9.0], b=[3.0, 4.0])
    two.commit('topic')
    lost = object_of(two, 'a')
    two.git('checkout', '-q', 'main')
    lost.unlink()
    done = two.run('git', 'merge', 'topic', code=1)
    assert 'a: the object sha256:' in done.err and 'is not in the store' in done.err
    assert '<<<<<<< ' in two.read('m.safetensors').decode()
    two.git('merge', '--abort')
    assert two.load() == {'a': [5.0, 6.0], 'b': [3.0, 4.0]}
    assert two.status() == ''


@pytest.mark.parametrize('at', range(1, 12))
def test_a_filter_that_is_killed_leaves_nothing_half(
    repo: Repo, tmp_path: Path, at: int,
) -> None:
    repo.save('m.safetensors', a=[1.0], b=[2.0], c=[3.0])
    before = repo.sha256('m.safetensors')
    env = sabotage(tmp_path, _KILL.format(at=at))
    repo.run('git', 'add', 'm.safetensors', code=128, env=env)
    assert repo.git('ls-files', 'm.safetensors') == ''
    assert repo.git('model', 'fsck') == 'all is well\n'
    assert repo.sha256('m.safetensors') == before
    repo.commit('again')
    assert repo.git('model', 'fsck') == '3 objects needed, all is well\n'
    repo.git('rm', '-q', '--cached', 'm.safetensors')
    repo.git('reset', '-q', '--hard')
    assert repo.sha256('m.safetensors') == before


@pytest.mark.parametrize('mode', ['wb', 'ab'])
def test_a_file_that_changes_while_it_is_added_is_refused(
    repo: Repo, tmp_path: Path, mode: str,
) -> None:
    repo.save('m.safetensors', a=numpy.arange(3 << 20, dtype=numpy.float32))
    code = _OVERWRITE.format(path=str(repo.path / 'm.safetensors'), mode=mode)
    done = repo.run(
        'git', 'add', 'm.safetensors', code=128, env=sabotage(tmp_path, code),
    )
    assert done.err == (
        "error: 'm.safetensors' changed while it was being read\n"
        'hint: wait until it is written whole, then run the command again\n'
        "fatal: m.safetensors: clean filter 'model' failed\n"
    )
    assert objects(repo) == []
    repo.commit('now it is whole')
    assert repo.git('model', 'fsck').endswith('all is well\n')


def test_a_full_disk_is_said_and_harms_nothing(repo: Repo) -> None:
    repo.save('m.safetensors', a=numpy.arange(1 << 20, dtype=numpy.float32))
    # Nothing larger than 2000 blocks of 512 bytes can be written.
    done = repo.run('sh', '-c', 'ulimit -f 2000; git add m.safetensors', code=128)
    store = os.path.realpath(repo.path / '.git/model')
    assert done.err == (
        f"error: cannot write to the store '{store}': File too large\n"
        'hint: see to the space and permissions there ("df -h", "ls -ld"), then run '
        'the command again: nothing was changed\n'
        "fatal: m.safetensors: clean filter 'model' failed\n"
    )
    assert objects(repo) == []
    assert list((repo.path / '.git/model/tmp').iterdir()) == []
    repo.commit('with space')
    assert repo.status() == ''


def test_a_store_that_cannot_be_written_is_said(two: Repo) -> None:
    shutil.rmtree(two.path / '.git/model/tmp')
    (two.path / '.git/model/tmp').write_text('no folder')
    two.git('checkout', '-q', 'HEAD~1')
    assert two.load() == {'a': [1.0, 2.0], 'b': [3.0, 4.0]}
    two.save('m.safetensors', a=[5.0, 6.0], b=[3.0, 4.0])
    two.git('add', 'm.safetensors')     # every tensor is there already
    two.save('m.safetensors', a=[7.0, 7.0], b=[3.0, 4.0])
    done = two.run('git', 'add', 'm.safetensors', code=128)
    assert done.err.startswith("error: cannot write to the store '")
    (two.path / '.git/model/tmp').unlink()
    two.git('add', 'm.safetensors')
    assert two.git('model', 'fsck').endswith('all is well\n')
