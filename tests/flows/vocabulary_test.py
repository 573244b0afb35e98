"""A vocabulary that grew on both sides, through plain Git: model and JSON together."""
from __future__ import annotations

import json
from typing import Any

import pytest

from tests.testing.repository import Repo

JSON = '*.json merge=model-json\n'


def write(repo: Repo, rows: list[float], tokens: str, **config: Any) -> None:
    """A model with a row for each token, a tokenizer, and their configuration."""
    repo.save('llm/m.safetensors', **{'wte.weight': [[x, x] for x in rows]})
    added = [{'id': i + 1, 'content': token} for i, token in enumerate(tokens)]
    tokenizer = {'added_tokens': added, 'model': {'vocab': {'a': 0}}}
    settings = {'vocab_size': len(rows), **config}
    for name, document in (('tokenizer', tokenizer), ('config', settings)):
        repo.write(f'llm/{name}.json', json.dumps(document, indent=2) + '\n')


@pytest.fixture
def grown(repo: Repo) -> Repo:
    """main added x and y, topic added y and z; z is topic's padding."""
    repo.write('.gitattributes', repo.read('.gitattributes').decode() + JSON)
    repo.fork(
        lambda: write(repo, [1.0], '', lr=1),
        lambda: write(repo, [1.0, 10.0, 20.0], 'xy', lr=2),
        lambda: write(repo, [2.0, 40.0, 50.0], 'yz', lr=1, pad_token_id=2),
    )
    return repo


MERGED = ({'wte.weight': [[r, r] for r in (2.0, 10.0, 30.0, 50.0)]}, 'xyz', {
    'vocab_size': 4, 'lr': 2, 'pad_token_id': 3,
})


def found(repo: Repo) -> Any:
    tokenizer = json.loads(repo.read('llm/tokenizer.json'))
    added = tokenizer['added_tokens']
    assert [entry['id'] for entry in added] == list(range(1, len(added) + 1))
    return (
        repo.load('llm/m.safetensors'), ''.join(entry['content'] for entry in added),
        json.loads(repo.read('llm/config.json')),
    )


def test_a_merge_aligns_rows_ids_and_sizes(grown: Repo) -> None:
    grown.git('merge', '-q', '--no-edit', 'topic')
    assert grown.status() == ''
    assert found(grown) == MERGED


def test_so_does_a_rebase(grown: Repo) -> None:
    grown.git('rebase', '-q', 'main', 'topic')
    assert grown.status() == ''
    assert found(grown) == MERGED


def test_and_a_cherry_pick(grown: Repo) -> None:
    grown.git('cherry-pick', 'topic')
    assert found(grown) == MERGED


def test_without_a_tokenizer_it_is_a_conflict(grown: Repo) -> None:
    for branch in ('topic', 'main'):
        grown.git('checkout', '-q', branch)
        grown.git('rm', '-q', 'llm/tokenizer.json')
        grown.git('commit', '-q', '-m', 'no tokenizer')
    done = grown.run('git', 'merge', 'topic', code=1)
    why = 'rows were added on several sides, and no tokenizer of all of them says'
    assert f'wte.weight: {why} which is which\n' in done.err
    assert grown.status() == 'M  llm/config.json\nUU llm/m.safetensors\n'


def test_a_side_without_the_filter_has_a_tokenizer_too(grown: Repo) -> None:
    grown.git('checkout', '-q', 'topic')
    raw = (
        '-c', 'filter.model.process=', '-c', 'filter.model.clean=',
        '-c', 'filter.model.smudge=', '-c', 'filter.model.required=false',
    )
    grown.git(*raw, 'add', '--renormalize', '.')
    grown.git(*raw, 'commit', '-q', '-m', 'raw')
    assert grown.git('cat-file', '-s', 'topic:llm/m.safetensors') != (
        grown.git('cat-file', '-s', 'main:llm/m.safetensors')
    )
    grown.git('checkout', '-q', '-f', 'main')
    grown.git('merge', '-q', '--no-edit', 'topic')
    assert found(grown) == MERGED
