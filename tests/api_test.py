"""The package's own functions, as a program uses them."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest

import git_model_driver
from git_model_driver.core.errors import Changed
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import MissingObject
from tests.testing import expected
from tests.testing import repository
from tests.testing.models import SAMPLES
from tests.testing.repository import Repo

M = 'a "model" é.safetensors'
W = numpy.arange(12, dtype='f4').reshape(3, 4)
FIRST: dict[str, Any] = {
    'w': W, 'half': W.astype(ml_dtypes.bfloat16), 'tiny': W.astype(
        ml_dtypes.float8_e4m3fn), 'n': numpy.array(3), 'none': W[:0],
}
SECOND = {**FIRST, 'w': W + 1}


def two(repo: Repo) -> None:
    for values in (FIRST, SECOND):
        repo.save(M, {'epoch': '1'}, **values)
        repo.commit('version')


@pytest.fixture
def told(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    found = repository.after(repo, two)
    monkeypatch.chdir(found.path)
    return found


def same(array: Any, wanted: Any) -> bool:
    return (array.dtype, array.shape, array.tobytes()) == (
        wanted.dtype, wanted.shape, wanted.tobytes())


def test_a_model_of_any_revision_is_a_mapping_of_arrays(told: Repo) -> None:
    for name, values in ((f'HEAD~1:{M}', FIRST), (M, SECOND), (f':{M}', SECOND)):
        model = git_model_driver.open(name)
        assert list(model) == ['half', 'n', 'none', 'tiny', 'w']
        assert all(same(model[key], value) for key, value in values.items())
        assert same(dict(model)['w'], values['w']) and 'x' not in model
        assert (model.format, model.metadata) == ('safetensors', {'epoch': '1'})
        assert model.info('half')[:3] == ('half', 'BF16', (3, 4))
        assert model.info('w').oid == expected.oid(values['w'])
        statistics = model.statistics()['w']
        assert statistics and statistics.max == values['w'].max()
        with pytest.raises(KeyError):
            model['x']


def test_arrays_are_the_callers_own(told: Repo) -> None:
    model = git_model_driver.open(f'HEAD:{M}')
    model['w'][:] = 0
    assert same(model['w'], SECOND['w'])


def test_torch_takes_the_state_dict(told: Repo) -> None:
    torch = pytest.importorskip('torch')
    state = git_model_driver.open(Path(M)).state_dict()
    assert state['half'].dtype == torch.bfloat16
    assert state['tiny'].dtype == torch.float8_e4m3fn
    layer = torch.nn.Linear(4, 3, bias=False)
    layer.load_state_dict({'weight': state['w']})
    assert (layer.weight.detach().numpy() == SECOND['w']).all()
    assert (state['half'].float().numpy() == W).all()


def test_a_file_is_read_in_place(told: Repo) -> None:
    told.save('new.safetensors', {'epoch': '1'}, **{**FIRST, 'w': W + 5})
    before = told.store()
    new, old = git_model_driver.open('new.safetensors'), git_model_driver.open(M)
    assert same(new['w'], W + 5)
    for one, other in ((git_model_driver.open(f'HEAD:{M}'), new), (old, new)):
        change, = git_model_driver.compare(one, other).tensors
        assert change.change and change.change.largest == 4.0
        assert change.change.sums.relative == pytest.approx(
            8 * numpy.sqrt(3) / numpy.linalg.norm((W + 1).astype('f8')), rel=1e-15)
    assert told.store() == before
    with open('new.safetensors', 'r+b') as file:
        file.write(b'\0')
    with pytest.raises(Changed):
        new['w']



def test_a_model_that_was_committed_raw_is_read(told: Repo) -> None:
    blob = told.git('hash-object', '-w', '--no-filters', M).strip()
    told.git('update-index', '--add', '--cacheinfo', f'100644,{blob},raw.safetensors')
    model = git_model_driver.open(':raw.safetensors')
    assert same(model['w'], SECOND['w']) and model.label == ':raw.safetensors'


def test_a_manifest_goes_there_and_back(told: Repo) -> None:
    text = git_model_driver.clean(M)
    assert text == told.manifest(M)
    git_model_driver.smudge(text, 'copy')
    assert told.read('copy') == told.read(M)
    with pytest.raises(FileExistsError):
        git_model_driver.smudge(text, 'copy')
    told.lose(expected.oid(SECOND['w']))
    with pytest.raises(MissingObject):
        git_model_driver.smudge(text, 'other')
    with pytest.raises(ManifestError):
        git_model_driver.smudge('nothing', 'other')
    assert not os.path.exists('other')


def test_versions_are_merged_by_rules_that_are_given(told: Repo) -> None:
    told.save('theirs.safetensors', {'epoch': '1'}, **{**FIRST, 'w': W + 5})
    sides = f'HEAD~1:{M}', f'HEAD:{M}', 'theirs.safetensors'
    merged = git_model_driver.merge(*sides)
    git_model_driver.smudge(merged.manifest, 'merged')
    assert not merged.conflicts
    assert same(git_model_driver.open('merged')['w'], W + 3)
    applied = git_model_driver.merge(*sides, operation='apply')
    assert expected.oid(W + 6) in applied.manifest
    ours = git_model_driver.merge(*sides, {'w': {'merge': 'ours'}})
    assert expected.oid(W + 1) in ours.manifest
    open_ = git_model_driver.merge(*sides, {'': {'merge': 'conflict'}})
    assert list(open_.conflicts) == ['w'] and '<<<<<<< ours' in open_.manifest
    with pytest.raises(GitModelError, match='unknown method'):
        git_model_driver.merge(*sides, {'': {'merge': 'magic'}})


@pytest.mark.parametrize('kind', SAMPLES)
def test_a_file_of_any_format_needs_no_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path('file').write_bytes(SAMPLES[kind]())
    model = git_model_driver.open('file')
    for name in model:
        info, array = model.info(name), model[name]
        assert array.shape == ((4,) if info.dtype == 'F4' else info.shape)
    found = git_model_driver.compare(model, git_model_driver.open('file'))
    assert not (found.tensors or found.lines or found.is_rewritten)
    if kind.startswith('npz'):
        with numpy.load('file') as archive:
            wanted = {key: archive[key] for key in archive if key.endswith(
                tuple('wbe'))}
        assert all(same(model[key], value) for key, value in wanted.items())


def test_the_package_is_cheap_to_import() -> None:
    script = 'import sys, git_model_driver; print(*sys.modules)'
    done = subprocess.run([sys.executable, '-c', script], capture_output=True)
    names = done.stdout.decode().split()
    loaded = [name for name in names if name.startswith('git_model_')]
    assert loaded == ['git_model_driver']
