"""Which commit last changed each tensor, and how."""
from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.testing import expected
from tests.testing import repository
from tests.testing import terminal
from tests.testing.repository import Repo

OLD, NEW = 'm.safetensors', 'new "name" \u202e.safetensors'
SCHEMA = Path(__file__).parents[2] / 'docs/blame.schema.json'
BASE: dict[str, Any] = {
    'a': [1.0], 'emb': [1.0], 'layers.0.b': [1.0], 'layers.0.w': [1.0],
    'layers.1.w': [1.0],
}


def story(repo: Repo) -> None:
    """A merge that averages, a renaming, a revert, a commit that is amended."""
    repo.write('.gitmodel', '[model "a"]\n\tmerge = linear\n\tweight = 0.25\n')
    repo.diverge(BASE, {**BASE, 'layers.0.w': [2.0], 'a': [2.0]},
                 {**BASE, 'layers.1.w': [3.0], 'a': [3.0]})
    repo.git('merge', '-q', 'topic')
    repo.git('mv', OLD, NEW)
    repo.git('commit', '-q', '-m', 'renamed')
    repo.save(NEW, **{**repo.load(NEW), 'emb': [9.0]})
    repo.commit('retuned')
    repo.git('revert', '--no-edit', 'HEAD')
    repo.save(NEW, **{**repo.load(NEW), 'layers.0.b': [7.0]})
    repo.commit('bias\n\nsecond\x01paragraph')
    repo.git('commit', '-q', '--amend', '--no-edit',
             env={'GIT_COMMITTER_DATE': '2026-03-03T03:03:03Z'})


@pytest.fixture
def told(repo: Repo) -> Repo:
    return repository.after(repo, story)


def commits(repo: Repo) -> dict[str, str]:
    """Subjects to commits."""
    lines = repo.git('log', '--format=%s%x09%H').splitlines()
    return dict(line.split('\t') for line in lines)


def blamed(repo: Repo, *args: str) -> str:
    return repo.git('model', 'blame', *args)


def test_each_tensor_has_its_commit_and_how_it_came(told: Repo) -> None:
    c = {subject: oid[:8] for subject, oid in commits(told).items()}
    retuned = commits(told)['retuned'][:8]
    merge, revert = "Merge branch 'topic'", 'Revert "retuned"'
    assert blamed(told, NEW) == (
        f'{c[merge]} (Ann 2026-01-02 {merge})  merged by linear (0.75 0.25)  a\n'
        f'{c[revert]} (Ann 2026-01-02 {revert})      reverts {retuned}'
        '              emb\n'
        f'{c["bias"]} (Ann 2026-01-02 bias)                  rewritten'
        '                     layers.0.b\n'
        f'{c["ours"]} (Ann 2026-01-02 ours)                 '
        '                               layers.0.w\n'
        f'{c["theirs"]} (Ann 2026-01-02 theirs)               '
        '                               layers.1.w\n'
    )


RULES = """
[model]
	weight = 0.25
[model "b"]
	merge = task_arithmetic
	ours-weight = 0.3333333333333333
[model "c"]
	merge = ours
[model "d.*"]
	weight = [0, 1]
"""
EACH = {
    'a': 'merged by linear (0.75 0.25)',
    'b': 'merged by task_arithmetic (0.333333 1)',
    'c': '',
    'd.0': '', 'd.1': 'merged by linear', 'd.2': '',
}


def ways(repo: Repo, *options: str, rules: str = RULES) -> dict[str, str]:
    """How tensors came that both sides changed, in a merge with these options."""
    names = ['a', 'b', 'c', 'd.0', 'd.1', 'd.2']
    repo.write('.gitmodel', rules)
    repo.diverge(*({name: [value, value] for name in names} for value in (1., 2., 4.)))
    repo.git(*options, 'merge', '-q', 'topic')
    return _hows(repo)


def _hows(repo: Repo) -> dict[str, str]:
    found = json.loads(blamed(repo, '--json', OLD))['tensors']
    said = {}
    for tensor in found:
        how = tensor['how']
        words = [how['kind'].replace('committed', '')]
        if how['methods']:
            words.append(f'by {" or ".join(how["methods"])}')
        if how['weights']:
            words.append(f'({" ".join(f"{weight:g}" for weight in how["weights"])})')
        said[tensor['name']] = ' '.join(words)
    return said


def test_each_tensor_has_the_weights_that_it_was_merged_with(repo: Repo) -> None:
    assert ways(repo) == EACH


def test_what_git_c_said_for_one_merge_counts_and_not_the_file(repo: Repo) -> None:
    found = ways(repo, '-c', 'model.weight=0.3', rules='[model]\n\tweight = 0.9\n')
    assert set(found.values()) == {'merged by linear (0.7 0.3)'}


def test_where_it_cannot_be_known_nothing_is_said(repo: Repo) -> None:
    found = ways(repo, '-c', 'model.a.weight=0.4')
    assert {found[name] for name in 'ab'} == {'merged by linear or task_arithmetic'}
    repo.git('commit', '-q', '--amend', '--no-edit',
             env={'GIT_COMMITTER_DATE': '2026-03-03T03:03:03Z'})
    assert {_hows(repo)[name] for name in 'ab'} == {'merged'}


def test_what_a_person_settled_is_not_said_to_be_by_a_method(repo: Repo) -> None:
    repo.diverge(*({'a': [v], 'b': [v, v]} for v in (1., 2., 4.)))
    repo.git('-c', 'model.b.merge=conflict', 'merge', 'topic', code=1)
    repo.run('git-model', 'resolve', '--method=linear', '-p', 'weight=0.1', OLD)
    repo.git('commit', '-q', '--no-edit')
    assert _hows(repo) == {'a': 'merged', 'b': 'merged'}


def test_layers_can_be_put_together(told: Repo) -> None:
    c = {subject: oid[:8] for subject, oid in commits(told).items()}
    assert blamed(told, '--group', NEW, 'layers.*').splitlines() == [
        f'{c["bias"]} (Ann 2026-01-02 bias)    rewritten  layers.0  1 of 2',
        f'{c["ours"]} (Ann 2026-01-02 ours)               layers.0  1 of 2',
        f'{c["theirs"]} (Ann 2026-01-02 theirs)             layers.1  1 of 1',
    ]


def test_older_versions_and_other_names_can_be_asked(told: Repo) -> None:
    base = commits(told)['base'][:8]
    line = f'{base} (Ann 2026-01-02 base)  emb\n'.replace('  emb', '    emb')
    for args in ((f'HEAD~4:{OLD}', 'e*'), (OLD, 'emb', 'HEAD~4')):
        assert blamed(told, *args) == line
    folder = told.path / 'a:b'
    folder.mkdir()
    for name in (f'HEAD~4:../{OLD}', f'HEAD~4:{OLD}'):
        assert blamed(Repo(folder), name, 'e*') == line
    told.save('a:b/c:d.safetensors', x=[1.0])
    told.git('add', 'a:b')
    told.git('commit', '-q', '-m', 'colon')
    assert ' colon)' in blamed(Repo(folder), 'c:d.safetensors')
    assert blamed(told, NEW, 'emb', '--date=unix').split()[2].isdigit()


def test_what_is_not_committed_is_said(told: Repo) -> None:
    told.save(NEW, **{**told.load(NEW), 'emb': [5.0], 'z': [1.0]})
    text = blamed(told, NEW, 'emb', 'z')
    assert [line.split() for line in text.splitlines()] == [
        ['00000000', '(Not', 'Committed', 'Yet)', name] for name in ('emb', 'z')
    ]
    assert '00000000' not in blamed(told, NEW, 'HEAD')
    (told.path / NEW).unlink()
    assert 'Revert' in blamed(told, NEW, 'emb')


def test_a_document_has_all_of_it(told: Repo) -> None:
    told.save(NEW, **{**told.load(NEW), 'z': [1.0]})
    whole = json.loads(blamed(told, '--json', NEW))
    jsonschema.validate(whole, json.loads(SCHEMA.read_text()))
    assert whole['tensors'][-1] == {'name': 'z', 'group': '', 'commit': None}
    document = json.loads(blamed(told, '--json', NEW, 'a'))
    tensor, = document.pop('tensors')
    merge = commits(told)["Merge branch 'topic'"]
    assert document == {
        'version': 1, 'path': NEW, 'revision': told.git('rev-parse', 'HEAD').strip(),
    }
    assert tensor.pop('how').pop('note').startswith('1 from ours, 1 from theirs, 1 by')
    assert tensor == {
        'name': 'a', 'group': '', 'commit': merge, 'path': OLD,
        'author': {'name': 'Ann', 'email': 'ann@example.com'},
        'date': '2026-01-02T03:04:05+00:00', 'subject': "Merge branch 'topic'",
    }


def test_a_long_line_fits_the_terminal_in_gits_colours(told: Repo) -> None:
    shown = terminal.show(
        told.path, 'git', 'model', 'blame', NEW, columns=60,
        env={'GIT_PAGER': 'cat'},
    )
    bare = re.sub('\x1b\\[[0-9]*m', '', shown.text)
    assert shown.code == 0 and '\x1b[33m' in shown.text and '…' in bare
    assert max(map(len, bare.splitlines())) <= 75


@pytest.mark.parametrize(('args', 'code', 'message'), [
    (('nope',), 128, "error: 'nope' is no model in "),
    (('.gitattributes',), 128, "error: '.gitattributes' is no model in "),
    ((NEW, 'nope'), 129, "error: no tensor of 'new \"name\" \\u202e.safetensors' "
                         'matches nope'),
    (('../x',), 129, "error: '../x' is outside the repository"),
])
def test_what_cannot_be_told(
    told: Repo, args: tuple[str, ...], code: int, message: str,
) -> None:
    assert told.run('git', 'model', 'blame', *args, code=code).err.startswith(message)


def test_an_empty_repository_has_no_commit_yet(repo: Repo) -> None:
    repo.git('update-ref', '-d', 'HEAD')
    assert repo.run('git', 'model', 'blame', OLD, code=128).err == (
        'error: there is no commit yet\nhint: make one with "git commit"\n'
    )


def stream(versions: list[bytes]) -> bytes:
    """A history for git fast-import, a second between commits."""
    return b''.join(
        b'commit refs/heads/main\ncommitter A <a@e> %d +0000\ndata 1\nx\n'
        b'M 100644 inline m.safetensors\ndata %d\n%s\n' % (n, len(data), data)
        for n, data in enumerate(versions)
    )


def test_it_agrees_with_git_blame_of_the_manifest(told: Repo) -> None:
    """A tensor is a line of the manifest, and 300 versions are enough to differ."""
    values = [0] * 20
    versions = []
    for n in range(300):
        values[n * n % 19] += 1
        versions.append(expected.manifest(**{
            f'{chr(97 + i)}': [float(value)] for i, value in enumerate(values)
        }).encode())
    told.git('fast-import', '--quiet', '--force', input=stream(versions))
    lines = told.git(
        'blame', '--no-textconv', '-s', '-l', '--root', 'main', '--', OLD,
    ).splitlines()
    tensors = [line for line in lines if ') tensor ' in line]
    said = json.loads(blamed(told, '--json', f'main:{OLD}'))['tensors']
    assert {t['name']: t['commit'] for t in said} == {
        line.split(') tensor ')[1].split()[0]: line.split()[0] for line in tensors
    }


def test_a_bare_repository_and_one_without_tensors_will_do(told: Repo) -> None:
    subprocess.run(('git', 'clone', '-q', '--bare', told.path, told.path / 'bare'),
                   check=True)
    told.lose()
    bare = Repo(told.path / 'bare')
    assert blamed(bare, f'HEAD:{NEW}') == blamed(told, NEW, 'HEAD')


def test_a_file_without_tensors_is_blamed_as_a_whole(repo: Repo) -> None:
    repo.write('o.safetensors', b'no model')
    repo.commit('opaque')
    repo.write('o.safetensors', b'no model either')
    last = repo.commit('opaque, too')
    assert blamed(repo, 'o.safetensors') == (
        f'{last[:8]} (Ann 2026-01-02 opaque, too)    (the whole file)\n'
    )
