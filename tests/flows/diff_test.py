"""git model diff and git model show: what changed, how much, in exact numbers."""
from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import jsonschema
import ml_dtypes
import numpy
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save_file

import git_model_driver
from tests.testing.repository import Repo

M = "it's a model.safetensors"
NAN = float('nan')
ROOT = Path(__file__).parents[2]


def drawn(seed: int, *shape: int) -> Any:
    return numpy.random.default_rng(seed).standard_normal(shape).astype('f4')


@pytest.fixture
def two(repo: Repo) -> Repo:
    """Two commits of a model of 300 tensors, of which three are changed."""
    names = [f'model.layers.{i}.{part}' for i in range(100) for part in 'qkv']
    tensors = {name: drawn(i, 6, 5) for i, name in enumerate(names)}
    repo.save(M, {'epoch': '1'}, **tensors)
    repo.commit('base')
    tensors['model.layers.7.q'] = tensors['model.layers.7.q'] * numpy.float32(1.5)
    tensors['model.layers.7.v'][2] += 1
    tensors['model.layers.64.k'] = -tensors['model.layers.64.k']
    repo.save(M, {'epoch': '2'}, **tensors)
    repo.commit('tuned')
    return repo


def test_only_what_changed_is_printed(two: Repo) -> None:
    old = {name: value for name, value in arrays(two, 'HEAD~1').items()}
    new = load_file(two.path / M)
    expected = [f'{M}   3 of 300 tensors modified, 1 value of metadata']
    for name in ('model.layers.7.q', 'model.layers.7.v', 'model.layers.64.k'):
        w, d = old[name].astype('f8'), new[name].astype('f8') - old[name].astype('f8')
        relative = numpy.linalg.norm(d) / numpy.linalg.norm(w)
        expected.append(
            f'  M  {name:<17}  F32 6x5  {relative:.1e}  {abs(d).max():.1e}  '
            f'{cosine(w, w + d):>8.5f}',
        )
    expected += [f'{"|d|/|w|":>41}  max|d|    cosine'.replace('max|d|  ', ' max|d|'),
                 '  - epoch 1', '  + epoch 2', '']
    printed = two.git('model', 'diff', 'HEAD~1').split('\n')
    assert [' '.join(line.split()) for line in printed] == [
        ' '.join(line.split()) for line in expected
    ]
    assert two.git('model', 'diff') == ''
    assert two.git('model', 'diff', '--quiet', 'HEAD~1', code=1) == ''
    assert two.git('model', 'diff', '--exit-code') == ''


def arrays(repo: Repo, revision: str) -> dict[str, Any]:
    """The tensors of a version, by the official library."""
    repo.git('worktree', 'add', '-q', '../other', revision)
    found: dict[str, Any] = load_file(repo.path.parent / 'other' / M)
    repo.git('worktree', 'remove', '../other')
    return found


def cosine(a: Any, b: Any) -> float:
    return float((a * b).sum() / numpy.linalg.norm(a) / numpy.linalg.norm(b))


def test_layers_and_modules_are_summed(two: Repo) -> None:
    lines = two.git('model', 'diff', '--stat', 'HEAD~1', 'HEAD', '--', M).splitlines()
    assert [line.split()[:5] for line in lines[1:3]] == [
        ['model.layers.7', '|', '2', 'of', '3'],
        ['model.layers.64', '|', '1', 'of', '3'],
    ]
    assert lines[3] == ' 1 model, 3 tensors modified, 0 added, 0 deleted, 360 B'
    lines = two.git('model', 'diff', '--group-by=module', 'HEAD~1').splitlines()
    assert lines[1].split()[:5] == ['model.layers.*', '|', '3', 'of', '300']


CASES: dict[str, tuple[Any, Any]] = {
    'f4': (drawn(1, 70, 90), drawn(2, 70, 90)),
    'large': (drawn(1, 300, 700), drawn(2, 300, 700)),
    'f2': (drawn(1, 9).astype('f2'), drawn(2, 9).astype('f2')),
    'bf16': tuple(drawn(i, 9, 4).astype(ml_dtypes.bfloat16) for i in (1, 2)),
    'fp8': tuple(drawn(i, 9, 4).astype(ml_dtypes.float8_e4m3fn) for i in (1, 2)),
    'another dtype': (drawn(1, 9), drawn(1, 9).astype('f2')),
    'integers': (numpy.arange(9), numpy.arange(9) * 2),
    'truth': (numpy.array([True, False]), numpy.array([True, True])),
    'zeros': (numpy.zeros(3, 'f4'), numpy.ones(3, 'f4')),
    'scalar': (numpy.array(2.0), numpy.array(3.0)),
}


@pytest.mark.filterwarnings('ignore:overflow')
def test_numbers_are_those_of_numpy(repo: Repo) -> None:
    for side in (0, 1):
        save_file({name: case[side] for name, case in CASES.items()}, repo.path / M)
        repo.commit(f'side {side}')
    document = json.loads(repo.git('model', 'diff', '--json', 'HEAD~1'))
    found = {each['name']: each['change'] for each in document['models'][0]['tensors']}
    assert set(found) == set(CASES)
    for name, (old, new) in CASES.items():
        w, v = (side.astype('f8').ravel() for side in (old, new))
        size = numpy.linalg.norm(w)
        moved = numpy.linalg.norm(v - w)
        close(found[name]['relative_l2'], moved / size if size else None)
        close(found[name]['l2'], moved)
        close(found[name]['cosine'], cosine(w, v) if size else None)
        assert found[name]['largest'] == abs(v - w).max()
        assert found[name]['changed'] == (w != v).sum()
        assert (found[name]['elements'], found[name]['not_finite']) == (old.size, 0)


def close(value: float | None, expected: float | None) -> None:
    if value is None or expected is None:
        assert value == expected
    else:
        assert math.isclose(value, expected, rel_tol=1e-12)


def test_what_is_not_finite_is_counted_and_left_out(repo: Repo) -> None:
    repo.save(M, x=[1.0, NAN, 2.0, NAN], y=[NAN])
    repo.commit('old')
    repo.save(M, x=[2.0, NAN, math.inf, 1.0], y=[1.0])
    document = json.loads(repo.git('model', 'diff', '--json'))
    x, y = (each['change'] for each in document['models'][0]['tensors'])
    assert x == {
        'relative_l2': 1.0, 'l2': 1.0, 'largest': 1.0, 'cosine': 1.0, 'elements': 4,
        'changed': 3, 'not_finite': 3, 'rank': None,
    }
    assert (y['cosine'], y['changed'], y['not_finite']) == (None, 1, 1)


@pytest.mark.parametrize('dtype', ['f4', ml_dtypes.bfloat16], ids=['f4', 'bf16'])
def test_a_change_of_low_rank_is_told(repo: Repo, dtype: Any) -> None:
    base = drawn(0, 200, 120)
    update = drawn(1, 200, 4) @ drawn(2, 4, 120)
    for part, change in (('base', 0), ('low', update), ('full', drawn(3, 200, 120))):
        repo.save(M, w=(base + change).astype(dtype))
        repo.commit(part)
    for revision, rank in (('HEAD~2..HEAD~1', 4), ('HEAD~1..HEAD', None)):
        document = json.loads(repo.git('model', 'diff', '--json', revision))
        assert document['models'][0]['tensors'][0]['change']['rank'] == rank


def test_the_document_is_as_its_schema_says(two: Repo) -> None:
    two.save('new.safetensors', x=[NAN, 1.0])
    two.git('add', '.')
    two.lose()
    schema = json.loads((ROOT / 'docs/diff.schema.json').read_text())
    document = json.loads(two.git('model', 'diff', '--json', 'HEAD~1', code=128))
    jsonschema.validate(document, schema)
    schema = json.loads((ROOT / 'docs/show.schema.json').read_text())
    for options, code in ((('--stats',), 128), ((), 0)):
        shown = two.git('model', 'show', '--json', *options, f':{M}', code=code)
        jsonschema.validate(json.loads(shown), schema)
    assert [model['path'] for model in document['models']] == [M, 'new.safetensors']


def test_structure_is_told(repo: Repo) -> None:
    repo.save(M, a=[1.0], gone=[1.0, 2.0], moved=[3.0, 4.0, 5.0], b=[[1.0, 2.0]])
    repo.write('other.safetensors', repo.read(M))
    repo.commit('old')
    repo.save(M, a=[1.0], came=[7.0], renamed=[3.0, 4.0, 5.0], b=[1.0, 2.0])
    repo.git('rm', '-q', 'other.safetensors')
    repo.git('add', M)
    assert repo.git('model', 'diff', '--cached') == (
        f'{M}   1 of 4 tensors modified, 1 added, 1 deleted, 1 renamed\n'
        '  M  b                 F32 1x2 -> F32 2\n'
        '  A  came              F32 1\n'
        '  R  moved => renamed  F32 3\n'
        '  D  gone              F32 2\n'
        'other.safetensors   deleted, 4 tensors\n'
        '  D  a      F32 1\n  D  b      F32 1x2\n'
        '  D  gone   F32 2\n  D  moved  F32 3\n'
    )


def test_a_file_written_in_another_way_is_said_to_be_one(repo: Repo) -> None:
    repo.save(M, a=[1.0], b=[2.0])
    repo.commit('old')
    header = b'{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},' \
             b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   '
    data = numpy.array([1, 2], 'f4').tobytes()
    repo.write(M, len(header).to_bytes(8, 'little') + header + data)
    assert repo.git('model', 'diff') == (
        f'{M}   the same tensors and metadata, written in another way\n'
    )


def test_a_file_of_no_known_format_is_only_said_to_be_another(repo: Repo) -> None:
    repo.write(M, b'no model')
    repo.commit('old')
    repo.write(M, b'no model either')
    assert repo.git('model', 'diff') == f'{M}   changed, no tensors\n'
    model, = json.loads(repo.git('model', 'diff', '--json'))['models']
    assert (model['rewritten'], model['tensors']) == (False, [])


def test_what_was_not_asked_for_is_not_said_to_be_the_same(two: Repo) -> None:
    two.save(M, **{'model.layers.0.q': drawn(0, 6, 5)})
    assert two.git('model', 'diff', '--tensors=z*', 'HEAD~1', 'HEAD').splitlines() == [
        f'{M}   1 value of metadata', '  - epoch 1', '  + epoch 2',
    ]
    two.save(M, {'epoch': '2'}, a=[1.0])
    two.commit('another')
    two.save(M, {'epoch': '2'}, a=[2.0])
    assert two.git('model', 'diff', '--tensors=z*') == (
        f'{M}   no tensor that was asked for differs\n'
    )


def test_new_files_that_are_no_models_are_not_spoken_of(repo: Repo) -> None:
    repo.write('text', 'no model')
    repo.git('add', 'text')
    assert repo.git('model', 'diff', '--cached') == ''
    repo.commit('text')
    empty = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
    assert repo.git('model', 'diff', empty, 'HEAD') == ''
    assert repo.git('model', 'diff', '--exit-code', 'HEAD', empty) == ''


def test_tensors_that_are_not_here_are_named(two: Repo) -> None:
    two.lose()
    done = two.run('git', 'model', 'diff', 'HEAD~1', 'HEAD', code=128)
    lines = done.out.splitlines()
    assert len(lines) == 6
    assert lines[1].split('F32 6x5')[1] == '  not in the store'
    assert done.err == (
        f"error: 'model.layers.7.q' of '{M}' and 2 more cannot be read\n"
        'hint: get what is missing with "git model fetch", or look for it with '
        '"git model fsck"\n'
    )
    said = two.run('git', 'model', 'show', f'HEAD:{M}', '--stats', '*.7.*', code=128)
    assert f"error: 'model.layers.7.k' of 'HEAD:{M}' and 2 more cannot" in said.err
    lines = two.git('model', 'diff', '--no-values', 'HEAD~1', 'HEAD').splitlines()
    assert lines[1] == '  M  model.layers.7.q   F32 6x5'


def test_only_tensors_that_changed_are_read(two: Repo) -> None:
    answer = two.git('model', 'diff', 'HEAD~1', 'HEAD')
    old, new = (set(two.manifest(M, r).splitlines()) for r in ('HEAD~1', 'HEAD'))
    needed = {line.split()[-1] for line in old ^ new if line.startswith('tensor ')}
    assert len(needed) == 6
    two.lose(*two.store() - needed)
    assert two.git('model', 'diff', 'HEAD~1', 'HEAD') == answer


def test_the_largest_changes_come_first_and_no_more_than_asked_for(two: Repo) -> None:
    lines = two.git('model', 'diff', '--sort', 'change', '--limit', '2',
                    'HEAD~1').splitlines()
    assert lines[0].startswith(f'{M}   3 of 300 tensors modified')
    assert [line.split()[1] for line in lines[1:3]] == [
        'model.layers.64.k', 'model.layers.7.q',
    ]
    assert lines[4] == '  and 1 tensor more'
    said = two.git('model', 'diff', '--json', '--limit=2', 'HEAD~1')
    document = json.loads(said)
    jsonschema.validate(
        document, json.loads((ROOT / 'docs/diff.schema.json').read_text()),
    )
    assert document['models'][0]['left_out'] == 1
    two.git('model', 'diff', '--quiet', '--tensors=*.8.*', 'HEAD~1')
    two.git('model', 'diff', '--quiet', '--tensors=*.7.*', 'HEAD~1', code=1)


def test_a_layer_counts_what_is_gone_from_it(repo: Repo) -> None:
    repo.save(M, **{'h.1.a': 1.0, 'h.1.b': 2.0, 'h.1.c': 3.0, 'h.2.a': 4.0})
    repo.commit('old')
    repo.save(M, **{'h.1.a': 2.0, 'h.3.a': 5.0})
    assert [line.split('  ')[0] for line in repo.git(
        'model', 'diff', '--stat').splitlines()[1:4]] == [
        ' h.1 | 3 of 3', ' h.2 | 1 of 1', ' h.3 | 1 of 1',
    ]


def test_paths_are_from_the_top_whatever_is_configured(repo: Repo) -> None:
    repo.save('in here/m.safetensors', a=[1.0])
    repo.commit('old')
    repo.save('in here/m.safetensors', a=[2.0])
    repo.git('config', 'diff.relative', 'true')
    folder = Repo(repo.path / 'in here')
    assert folder.git('model', 'diff').startswith(
        'in here/m.safetensors   1 of 1 tensor modified\n')


def test_a_model_that_is_about_to_be_added_is_new(repo: Repo) -> None:
    repo.save(M, a=[1.0])
    repo.git('add', '-N', M)
    assert repo.git('model', 'diff') == f'{M}   new, 1 tensor\n  A  a  F32 1\n'


def test_a_file_that_only_has_another_time_is_no_change(repo: Repo) -> None:
    repo.save(M, a=[1.0])
    repo.write('text', 'old')
    repo.commit('old')
    repo.write('text', 'new')
    os.utime(repo.path / M, (1, 1))
    assert repo.git('model', 'diff', '--exit-code') == ''
    assert repo.git('model', 'diff', '--exit-code', 'HEAD') == ''
    repo.save(M, a=[2.0])
    os.utime(repo.path / M, (1, 1))
    said = repo.git('model', 'diff', '--stat', '--exit-code', code=1)
    assert said.startswith(f'{M}   1 of 1 tensor modified\n')


def test_a_conflict_and_a_damaged_manifest_are_not_deleted_models(repo: Repo) -> None:
    repo.diverge({'a': [1.0, 2.0]}, {'a': [1.0, 3.0]}, {'a': [1.0, 4.0]}, M)
    repo.git('-c', 'model.merge=conflict', 'merge', 'topic', code=1)
    for args in ((), ('HEAD',), ('--cached',)):
        assert repo.git('model', 'diff', *args) == f'{M}   is in conflict\n'
    repo.git('merge', '--abort')
    repo.write(M, repo.manifest(M).replace(' F32 ', ' F32 -'))
    done = repo.run('git', 'model', 'diff')
    assert done.out == ''
    assert "line 7: '-2' is no shape: it was left out" in done.err


def test_a_word_after_color_is_not_its_value(two: Repo) -> None:
    shown = two.git('model', 'show', '--color', M, 'model.layers.7.q')
    assert '\x1b[' in shown and 'model.layers.7.q' in shown


@pytest.mark.parametrize(('arguments', 'code', 'said'), [
    (('diff', 'nosuch'), 128,
     "error: ambiguous argument 'nosuch': unknown revision or path not in the working "
     'tree.\n'),
    (('diff', '--cached', 'HEAD~1', 'HEAD'), 129,
     "error: git diff does not take '--cached HEAD~1 HEAD'\n"),
    (('diff', '--metric=size'), 129, "error: there is no metric 'size'\n"),
    (('diff', '--color-words'), 129, 'error: unrecognized arguments: --color-words\n'),
    (('show', 'HEAD:nosuch'), 128, "error: path 'nosuch' does not exist in 'HEAD'\n"),
    (('show', 'nosuch:x'), 128, "error: invalid object name 'nosuch'.\n"),
    (('show', 'nosuch'), 128, "error: cannot read 'nosuch': No such file"),
    (('show', 'HEAD:.gitattributes'), 128,
     "error: 'HEAD:.gitattributes' is no model that git model keeps\n"),
    (('show', M, 'z*'), 128, f"error: '{M}' has no tensor 'z*'\n"),
])
def test_what_cannot_be_is_told_as_git_does(
    two: Repo, arguments: tuple[str, ...], code: int, said: str,
) -> None:
    done = two.run('git', 'model', *arguments, code=code)
    assert said in done.err
    assert 'Traceback' not in done.err
    assert done.out == ''


@pytest.mark.parametrize('verb', ['diff', 'log', 'blame x', 'show HEAD:x'])
def test_outside_a_repository_it_is_said_that_there_is_none(
    two: Repo, verb: str,
) -> None:
    done = Repo(two.path.parent).run('git', 'model', *verb.split(), code=128)
    assert done.err.startswith('error: not a git repository (or any of')


def test_show_prints_any_version(two: Repo) -> None:
    shown = two.git('model', 'show', f'HEAD~1:{M}', 'model.layers.7.*', '--stats')
    lines = shown.splitlines()
    assert lines[:2] == [
        f'HEAD~1:{M}   safetensors, 300 tensors, 35.2 KiB', '  epoch 1',
    ]
    assert lines[2].split() == ['mean', 'std', 'min', 'max', 'norm']
    old = arrays(two, 'HEAD~1')
    for line, part in zip(lines[3:], 'kqv'):
        name, dtype, shape, _, mean, *_, norm = line.split()
        assert (name, dtype, shape) == (f'model.layers.7.{part}', 'F32', '6x5')
        wide = old[name].astype('f8')
        assert mean == f'{wide.mean():.6g}'
        assert norm == f'{numpy.linalg.norm(wide):.6g}'
    assert two.git('model', 'show', '--group', f':{M}').splitlines()[2] == (
        '  model.layers.0   3 tensors  360 B'
    )


def test_python_reads_any_version(two: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    old = arrays(two, 'HEAD~1')
    monkeypatch.chdir(two.path)
    model = git_model_driver.open(f'HEAD~1:{M}')
    assert (len(model), model.format, model.metadata) == (
        300, 'safetensors', {'epoch': '1'},
    )
    assert set(model) == set(old)
    for name, value in dict(model).items():
        assert value.dtype == 'f4' and value.flags.writeable
        assert numpy.array_equal(value, old[name])
    with pytest.raises(KeyError):
        model['nosuch']
    compared = git_model_driver.compare(model, git_model_driver.open(M))
    assert [each.name for each in compared.tensors] == [
        'model.layers.7.q', 'model.layers.7.v', 'model.layers.64.k',
    ]
    manifest = git_model_driver.clean(M)
    assert manifest == two.manifest(M)
    git_model_driver.smudge(manifest, 'copy.bin')
    assert two.read('copy.bin') == two.read(M)
    with pytest.raises(FileExistsError):
        git_model_driver.smudge(manifest, 'copy.bin')


def test_a_bare_repository_will_do(two: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    two.git('clone', '-q', '--bare', '.', '../bare.git')
    monkeypatch.chdir(two.path.parent / 'bare.git')
    model = git_model_driver.open(f'main~1:{M}')
    assert model['model.layers.7.q'].shape == (6, 5)
    bare = Repo(two.path.parent / 'bare.git')
    printed = two.git('model', 'diff', 'HEAD~1')
    assert bare.git('model', 'diff', 'main~1', 'main') == printed
