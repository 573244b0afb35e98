"""The commits that changed models, and which tensors."""
from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from tests.flows.blame_test import NEW
from tests.flows.blame_test import OLD
from tests.flows.blame_test import commits
from tests.flows.blame_test import story
from tests.testing import repository
from tests.testing import terminal
from tests.testing.repository import Repo

SHOWN = 'new "name" \\u202e.safetensors'
SCHEMA = Path(__file__).parents[2] / 'docs/log.schema.json'
MERGE, REVERT = "Merge branch 'topic'", 'Revert "retuned"'


@pytest.fixture
def told(repo: Repo) -> Repo:
    return repository.after(repo, story)


def logged(repo: Repo, *args: str) -> str:
    return repo.git('model', 'log', *args)


def subjects(repo: Repo, *args: str) -> list[str]:
    lines = logged(repo, '--oneline', *args).splitlines()
    return [line.partition(' ')[2] for line in lines if not line.startswith(' ')]


def test_each_commit_says_what_it_changed_and_how(told: Repo) -> None:
    c = {subject: oid[:8] for subject, oid in commits(told).items()}
    lines = logged(told, '--oneline').splitlines()
    assert lines[:10] == [
        f'{c["bias"]} bias',
        f'  {SHOWN}   1 of 5 tensors changed   rewritten',
        f'{c[REVERT]} {REVERT}',
        f'  {SHOWN}   1 of 5 tensors changed   reverts {c["retuned"]}',
        f'{c["retuned"]} retuned',
        f'  {SHOWN}   1 of 5 tensors changed',
        f'{c["renamed"]} renamed',
        f'  {OLD} => {SHOWN}   renamed',
        f'{c[MERGE]} {MERGE}',
        f'  {OLD}   1 of 5 tensors changed   merged by linear (0.75 0.25)',
    ]
    assert set(subjects(told)[5:]) == {'ours', 'theirs', 'base'}
    assert lines[-1] == f'  {OLD}   new, 5 tensors'


def test_a_commit_stands_above_its_tensors_as_in_git_log(told: Repo) -> None:
    assert logged(told, '-1') == told.git('log', '-1').replace('\x01', '\\u0001') + (
        f'\n  {SHOWN}   1 of 5 tensors changed   rewritten\n    M layers.0.b\n'
    )


def test_commits_are_chosen_by_tensors_and_as_git_log_does(told: Repo) -> None:
    assert subjects(told, '--tensor=emb') == [REVERT, 'retuned', 'base']
    assert subjects(told, '--tensor', 'emb', '-n', '2') == [REVERT, 'retuned']
    assert subjects(told, '-2', '--tensor=emb', '--reverse') == ['base', 'retuned']
    assert subjects(told, '--grep=^ours', '--', OLD) == ['ours']
    assert subjects(told, 'HEAD~2..', NEW) == ['bias', REVERT]
    assert subjects(told, 'HEAD~1..', '--', '.gitmodel') == []
    assert '    D ' not in logged(told, '--tensor=emb')


def test_added_and_deleted_tensors_and_models_are_told_apart(told: Repo) -> None:
    tensors = told.load(NEW)
    del tensors['emb']
    told.save(NEW, **{**tensors, 'z': [0.0], 'layers.1.w': [8.0]})
    told.commit('three')
    assert logged(told, '-1').splitlines()[-4:] == [
        f'  {SHOWN}   1 of 5 tensors changed, 1 added, 1 deleted',
        '    D emb', '    M layers.1.w', '    A z',
    ]
    told.git('rm', '-q', NEW)
    told.git('commit', '-q', '-m', 'gone')
    assert logged(told, '--oneline', '-1', '--all').splitlines()[1] == (
        f'  {SHOWN}   deleted, 5 tensors'
    )


def test_a_patch_says_how_much(told: Repo) -> None:
    assert logged(told, '-p', '--tensor=emb', '-1').splitlines()[-2:] == [
        '    M  emb  F32 1  8.9e-01  8.0e+00  1.00000',
        '                   |d|/|w|   max|d|   cosine',
    ]


def test_a_document_has_all_of_it(told: Repo) -> None:
    document = json.loads(logged(told, '--json', '--tensor=a', '-1'))
    commit, = document['commits']
    model, = commit['models']
    oids = commits(told)
    assert (commit['commit'], commit['parents']) == (
        oids[MERGE], [oids['ours'], oids['theirs']],
    )
    assert (model['path'], model['tensor_count'], model['tensors']) == (
        OLD, 5, [{'status': 'M', 'name': 'a'}],
    )
    assert model['how']['methods'] == ['linear']


def note(repo: Repo, blob: str, *lines: str) -> None:
    repo.git('notes', '--ref=model-eval', 'add', '-f', '-F', '-', blob,
             input='\n'.join(lines).encode())


RECORD = {
    'version': 1, 'evaluator': 'mine\u202e', 'evaluator_id': '0a', 'metric': 'acc "x"',
    'direction': 'max', 'folds': 3, 'repeats': 1, 'seed': 0,
    'scores': {'acc "x"': [0.5, 0.75, 1.0], 'loss': [1.0]},
}


def test_what_evaluators_said_stands_behind_each_version(told: Repo) -> None:
    one = {**RECORD, 'evaluator': 'b', 'scores': {'acc "x"': [0.25]}}
    large = {**RECORD, 'scores': {'acc "x"': [1e300, -1e300]}}
    note(told, f'HEAD:{NEW}', *map(json.dumps, (RECORD, one, large)), 'no json')
    assert logged(told, '--oneline').splitlines()[1:4:2] == [
        f'  {SHOWN}   1 of 5 tensors changed   rewritten   0.75 sd 0.25 acc "x" '
        '(3, mine\\u202e), 0.25 acc "x" (1, b)',
        f'  {SHOWN}   1 of 5 tensors changed   reverts {commits(told)["retuned"][:8]}',
    ]
    document = json.loads(logged(told, '--json'))
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    first, second, *_ = (c['models'][0]['evaluations'] for c in document['commits'])
    del one['version']
    assert first == [{k: v for k, v in RECORD.items() if k != 'version'}, one]
    assert second == []
    assert {c['models'][0]['how']['kind'] for c in document['commits']} == {
        'committed', 'merged', 'rewritten', 'reverted',
    }


def test_many_names_are_cut_short_unless_asked_for(repo: Repo) -> None:
    for value in (1.0, 2.0):
        repo.save(OLD, **{f't.{n}': [value, n] for n in range(12)})
        repo.commit('many')
    assert logged(repo, '-1').splitlines()[-2:] == [
        '    M t.9', "    and 2 more (all: --tensor='*')",
    ]
    assert logged(repo, '-1', '--tensor=*').splitlines()[-1] == '    M t.11'


def test_a_damaged_manifest_hides_only_its_own_numbers(repo: Repo) -> None:
    for value in (1.0, 2.0):
        repo.save(OLD, a=[value])
        repo.commit(f'{value}')
    bad = repo.manifest(OLD).replace(' F32 1 ', ' F32 -1 ').encode()
    blob = repo.git('hash-object', '-w', '--stdin', input=bad).strip()
    repo.git('update-index', '--cacheinfo', f'100644,{blob},{OLD}')
    repo.git('commit', '-q', '-m', 'damaged')
    done = repo.run('git', 'model', 'log', '-p', '--oneline')
    assert done.err.startswith(
        f"warning: the manifest in '{OLD}' line 7: '-1' is no shape: how much it "
        'changed is left out\n'
    )
    lines = done.out.splitlines()
    assert lines[1] == f'  {OLD}   1 of 1 tensor changed'
    assert lines[4].split() == ['M', 'a', 'F32', '1', '1.0e+00', '1.0e+00', '1.00000']
    page = repo.git('model', 'log', '--html=-')
    assert 'damaged' in page
    shown = repo.run('git', 'model', 'show', f'HEAD:{OLD}', code=128).err
    assert f'"git show HEAD:{OLD}"' in shown


def test_a_reader_on_a_terminal_sees_the_first_at_once(told: Repo) -> None:
    shown = terminal.show(told.path, 'git', 'model', 'log', env={'GIT_PAGER': 'cat'})
    bare = re.sub('\x1b\\[[0-9]*m', '', shown.text)
    assert shown.code == 0 and shown.text.startswith('\x1b[33mcommit ')
    assert bare == logged(told)


@pytest.mark.parametrize(('args', 'code', 'said'), [
    (('nope',), 128, "error: bad revision 'nope'"),
    (('--stat',), 129, "error: 'git model log' has no '--stat'\n"
                       'hint: "git log --stat" has\n'),
    (('--since=x', '--no-such'), 128, 'error: unrecognized argument: --no-such'),
])
def test_what_git_does_not_know_is_told_in_its_words(
    told: Repo, args: tuple[str, ...], code: int, said: str,
) -> None:
    assert told.run('git', 'model', 'log', *args, code=code).err.startswith(said)
