"""JSON files beside a model, merged by key."""
from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.cli import merge_json
from git_model_driver.core.errors import GitError
from git_model_driver.git import operation
from git_model_driver.merging import jsonmerge
from git_model_driver.merging import jsontext
from git_model_driver.merging.conflicts import Labels
from git_model_driver.merging.jsonmerge import Merged
from git_model_driver.merging.jsonmerge import Texts
from tests.testing.properties import PROPERTY
from tests.testing.properties import texts

Document = Mapping[str, Any]


class Beside:
    """Files beside the model: one mapping from name to document for each side."""

    def __init__(self, *sides: Mapping[str, Document]) -> None:
        self.sides = sides

    def read(self, side: int, name: str) -> bytes | None:
        if not self.sides or name not in self.sides[side + 1]:
            return None
        return json.dumps(self.sides[side + 1][name]).encode()


def dump(document: Any, **style: Any) -> bytes:
    return (json.dumps(document, **{'indent': 2, **style}) + '\n').encode()


def merge(
    base: Document, ours: Document, theirs: Document,
    name: str = 'config.json', beside: Beside | None = None,
) -> Merged:
    return jsonmerge.merge(
        Texts(*map(dump, (base, ours, theirs))), f'model/{name}', beside or Beside(),
        Labels(),
    )


def merged(*sides: Document, **more: Any) -> Any:
    """The merged document; there must be no conflict."""
    done = merge(*sides, **more)
    assert done.conflicts == {}
    return json.loads(done.text)


def tokenizer(vocab: Any, *added: tuple[int, str], **more: Any) -> dict[str, Any]:
    entries = [{'id': i, 'content': token, 'special': True} for i, token in added]
    return {'added_tokens': entries, **more, 'model': {'type': 'BPE', 'vocab': vocab}}


WORDS = {'a': 0, 'b': 1}


def test_changes_of_different_keys_are_both_taken() -> None:
    done = merge(
        {'a': 1, 'b': {'c': 1, 'd': 2}, 'e': 0},
        {'a': 2, 'b': {'c': 1, 'd': 3}, 'e': 0, 'new': [1]},
        {'a': 1, 'b': {'c': 9, 'd': 2}, 'z': None},
    )
    expected = {'a': 2, 'b': {'c': 9, 'd': 3}, 'new': [1], 'z': None}
    assert done == Merged(dump(expected), {})


@pytest.mark.parametrize(('ours', 'theirs', 'keys'), [
    ('xac', 'abc', 'xabc'),
    ('ac', 'abcd', 'abcd'),
    ('cax', 'bacd', 'bcdax'),
    ('caxy', 'cab', 'caxyb'),
    ('ace', 'cdb', 'abcde'),       # sorted stays sorted
])
def test_the_order_of_keys_is_that_of_ours(ours: str, theirs: str, keys: str) -> None:
    base = {key: 0 for key in ours if key in theirs}
    # What is on one side only was added there.
    done = merged(base, dict.fromkeys(ours, 0), dict.fromkeys(theirs, 0))
    assert list(done) == list(keys)


@pytest.mark.parametrize(('data', 'style'), [
    (b'{\n    "b": 1,\n    "a": [\n        1.50,\n        1E-7\n    ]\n}', 'four'),
    (b'{\r\n  "b": 1,\r\n  "a": [1.50, 1E-7]\r\n}\r\n', 'flat arrays, CRLF'),
    (b'{"b": 1, "a": [1.50, 1E-7]}\n', 'one line'),
    (b'{"b":1,"a":[1.50,1E-7]}', 'compact'),
    (b'{\n\t"b": 1,\n\t"a": [],\n\t"c": {},\n\t"d": "\\u00e9"\n}\n', 'tabs, ASCII'),
    ('{\n "b": 1,\n "a": "é\u2028"\n}\n'.encode(), 'other scripts'),
])
def test_the_style_is_that_of_ours(data: bytes, style: str) -> None:
    base = json.dumps({**json.loads(data), 'b': 0})
    theirs = json.dumps({**json.loads(data), 'b': 0, 'n': 2})
    done = jsonmerge.merge(
        Texts(base.encode(), data, theirs.encode()), 'config.json', Beside(), Labels(),
    )
    assert json.loads(done.text) == {**json.loads(data), 'n': 2}
    assert done.text != data
    # Without what theirs added it is ours, byte by byte.
    document = jsontext.parse(done.text)
    del document['n']
    assert jsontext.write(document, jsontext.style_of(data, document)) == data


def test_only_what_is_open_stands_between_markers() -> None:
    done = merge(
        {'hidden_size': 8, 'layers': 2, 'name': 'x'},
        {'hidden_size': 16, 'layers': 3, 'name': 'x'},
        {'hidden_size': 32, 'layers': 2, 'name': 'y'},
    )
    assert done.conflicts == {'hidden_size': 'both sides changed it'}
    assert done.text.decode() == (
        '{\n'
        '<<<<<<< ours\n'
        '  "hidden_size": 16,\n'
        '=======\n'
        '  "hidden_size": 32,\n'
        '>>>>>>> theirs\n'
        '  "layers": 3,\n'
        '  "name": "y"\n'
        '}\n'
    )


@pytest.mark.parametrize(('base', 'ours', 'theirs', 'why'), [
    ({'r': 1, 'z': 0}, {'r': 2, 'z': 0}, {'z': 0},
     'changed in ours, deleted in theirs'),
    ({'r': 1, 'z': 0}, {'z': 0}, {'r': 2, 'z': 0},
     'deleted in ours, changed in theirs'),
    ({'z': 0}, {'r': 2, 'z': 0}, {'r': 3, 'z': 0}, 'both sides added it'),
    ({'r': [1]}, {'r': [1, 2]}, {'r': [1, 3]}, 'both sides changed it'),
    ({'r': True}, {'r': 1}, {'r': None}, 'both sides changed it'),
])
def test_what_both_changed_is_a_conflict(
    base: Document, ours: Document, theirs: Document, why: str,
) -> None:
    done = merge(base, ours, theirs)
    assert done.conflicts == {'r': why}
    assert done.text.count(b'<<<<<<< ours\n') == 1
    assert done.text.count(b'>>>>>>> theirs\n') == 1


def test_a_conflict_deep_down_has_its_whole_name() -> None:
    sides = ({'text': {'a.b': {'c': n}}} for n in range(3))
    assert merge(*sides).conflicts == {'text.a.b.c': 'both sides changed it'}


def test_numbers_are_compared_by_value_and_not_with_words() -> None:
    base, ours = b'{"a": 1e-05, "b": 1, "c": 0}', b'{"a": 1e-5, "b": true, "c": 1}'
    done = jsonmerge.merge(
        Texts(base, ours, b'{"a": 2, "b": 1.0, "c": 0}'), 'x.json', Beside(), Labels(),
    )
    assert done == Merged(b'{"a": 2, "b": true, "c": 1}', {})


@pytest.mark.parametrize(('favour', 'value'), [('ours', 2), ('theirs', 3)])
def test_a_strategy_option_settles_conflicts_and_nothing_else(
    favour: str, value: int,
) -> None:
    texts = Texts(*(dump({'a': i, 'b': b}) for i, b in ((1, 0), (2, 0), (3, 9))))
    done = jsonmerge.merge(texts, 'x.json', Beside(), Labels(), favour)
    assert done == Merged(dump({'a': value, 'b': 9}), {})
    texts = Texts(b'1\n', b'2\n', b'3\n')
    done = jsonmerge.merge(texts, 'x.json', Beside(), Labels(), favour)
    assert done == Merged(b'%d\n' % value, {})
    sides = (tokenizer(WORDS), tokenizer({'b': 0, 'a': 1}), tokenizer({'a': 0}))
    texts = Texts(*map(dump, sides))
    done = jsonmerge.merge(texts, 'tokenizer.json', Beside(), Labels(), favour)
    assert done == Merged(texts[value - 1], {})


def test_the_order_of_target_modules_means_nothing() -> None:
    assert merged(
        {'target_modules': ['q', 'k', 'v'], 'r': 8},
        {'target_modules': ['v', 'q', 'k'], 'r': 16},
        {'target_modules': ['k', 'q', 'v', 'o'], 'r': 8},
    ) == {'target_modules': ['k', 'q', 'v', 'o'], 'r': 16}


def test_the_later_library_and_the_sum_of_bytes() -> None:
    name = 'model.safetensors.index.json'
    assert merged(
        {'metadata': {'total_size': 100}, 'weight_map': {'a': '1'}},
        {'metadata': {'total_size': 110}, 'weight_map': {'a': '1', 'b': '1'}},
        {'metadata': {'total_size': 105}, 'weight_map': {'a': '1', 'c': '2'}},
        name=name,
    ) == {
        'metadata': {'total_size': 115}, 'weight_map': {'a': '1', 'b': '1', 'c': '2'},
    }
    versions = ({'transformers_version': v} for v in ('4.9.0', '4.10.1', '4.9.2'))
    assert merged(*versions) == {'transformers_version': '4.10.1'}


@pytest.mark.parametrize('text', [
    b'{"a": 1,}\n', b'{"a": 1, "a": 2}\n', b'[1]\n', b'<<<<<<< ours\n', b'\xff\n',
])
def test_what_is_no_object_is_merged_as_text(text: bytes) -> None:
    base, theirs = b'one\ntwo\nthree\n' + text, b'one\ntwo\n3\n' + text
    ours = b'1\ntwo\nthree\n' + text
    done = jsonmerge.merge(Texts(base, ours, theirs), 'x.json', Beside(), Labels())
    assert done == Merged(b'1\ntwo\n3\n' + text, {})


def test_text_that_cannot_be_merged_is_a_conflict_with_its_labels() -> None:
    done = jsonmerge.merge(
        Texts(b'0\n', b'1\n', b'2\n'), 'x.json', Beside(), Labels('HEAD', 'topic', 9),
    )
    assert done.text == b'<<<<<<<<< HEAD\n1\n=========\n2\n>>>>>>>>> topic\n'
    why = 'it is no JSON that can be merged by key'
    assert done.conflicts == {'the whole file': why}


def test_added_tokens_of_both_sides_get_ids_one_after_the_other() -> None:
    done = merged(
        tokenizer(WORDS, (2, '<s>')),
        tokenizer(WORDS, (2, '<s>'), (3, '<x>'), (4, '<both>')),
        tokenizer(
            WORDS, (2, '<s>'), (3, '<both>'), (4, '<pad>'),
            padding={'pad_id': 4, 'pad_token': '<pad>'},
            post_processor={'special_tokens': {'<both>': {'ids': [3, 2]}}},
        ),
        name='tokenizer.json',
    )
    assert done == tokenizer(
        WORDS, (2, '<s>'), (3, '<x>'), (4, '<both>'), (5, '<pad>'),
        padding={'pad_id': 5, 'pad_token': '<pad>'},
        post_processor={'special_tokens': {'<both>': {'ids': [4, 2]}}},
    )


def test_words_of_both_sides_get_ids_behind_all_of_ours() -> None:
    done = merged(
        tokenizer(WORDS), tokenizer({**WORDS, 'c': 2}, (3, '<x>')),
        tokenizer({**WORDS, 'd': 2, 'ids': 3}), name='tokenizer.json',
    )
    assert done == tokenizer({**WORDS, 'c': 2, 'd': 4, 'ids': 5}, (3, '<x>'))


def test_a_property_of_a_token_is_merged_by_key() -> None:
    ours, theirs = tokenizer(WORDS, (2, '<s>')), tokenizer(WORDS, (2, '<s>'), (3, 'n'))
    ours['added_tokens'][0]['special'] = False
    theirs['added_tokens'][0]['lstrip'] = True
    done = merged(tokenizer(WORDS, (2, '<s>')), ours, theirs, name='tokenizer.json')
    assert done['added_tokens'] == [
        {'id': 2, 'content': '<s>', 'special': False, 'lstrip': True},
        {'id': 3, 'content': 'n', 'special': True},
    ]


def test_pieces_of_a_unigram_model_stay_in_order() -> None:
    base = [['a', -1.5], ['b', -2.0]]
    done = merged(
        tokenizer(base), tokenizer([['a', -1.5], ['b', -2.5], ['c', -3.0]]),
        tokenizer([['a', -1.0], ['b', -2.0], ['d', -4.0]]), name='tokenizer.json',
    )
    assert done == tokenizer([['a', -1.0], ['b', -2.5], ['c', -3.0], ['d', -4.0]])


def test_pieces_behind_added_tokens_are_a_conflict() -> None:
    base = [['a', -1.5]]
    done = merge(
        tokenizer(base, (1, '<s>')), tokenizer(base, (1, '<s>'), (2, '<x>')),
        tokenizer([['a', -1.5], ['n', -2]], (2, '<s>')), name='tokenizer.json',
    )
    assert done.conflicts == {'the vocabulary': 'tokens have other ids in theirs'}
    assert b'<<<<<<< ours' in done.text


def test_a_tokenizer_that_one_side_renumbered_is_a_conflict_for_the_other() -> None:
    done = merge(
        tokenizer(WORDS), tokenizer({**WORDS, 'c': 2}), tokenizer({'b': 0, 'a': 1}),
        name='tokenizer.json',
    )
    assert done.conflicts == {'the vocabulary': 'tokens have other ids in theirs'}
    assert done.text.startswith(b'{\n')
    assert b'<<<<<<< ours' in done.text


def test_tokenizers_without_a_common_ancestor_are_a_conflict() -> None:
    one, other = tokenizer(WORDS), tokenizer({'a': 0, 'c': 1})
    done = jsonmerge.merge(
        Texts(b'', dump(one), dump(other)), 'tokenizer.json', Beside(), Labels(),
    )
    assert done.conflicts == {'the vocabulary': 'it was added on both sides'}


def sides(*added: tuple[tuple[int, str], ...]) -> Beside:
    return Beside(*({'tokenizer.json': tokenizer(WORDS, *more)} for more in added))


BOTH_ADDED = sides((), ((2, '<x>'),), ((2, '<pad>'), (3, '<x>')))


def test_vocab_size_is_that_of_the_merged_vocabulary() -> None:
    assert merged(
        {'vocab_size': 2, 'hidden_size': 8}, {'vocab_size': 3, 'hidden_size': 8},
        {'vocab_size': 4, 'hidden_size': 8, 'pad_token_id': 2, 'eos_token_id': [1, 3]},
        beside=BOTH_ADDED,
    ) == {'vocab_size': 4, 'hidden_size': 8, 'pad_token_id': 3, 'eos_token_id': [1, 2]}
    assert merged(
        {'text_config': {'vocab_size': 2}}, {'text_config': {'vocab_size': 3}},
        {'text_config': {'vocab_size': 3}, 'x': 1},
        beside=sides((), ((2, '<x>'),), ((2, '<y>'),)),
    ) == {'text_config': {'vocab_size': 4}, 'x': 1}


def test_vocab_size_is_a_conflict_where_no_tokenizer_gives_it() -> None:
    done = merge({'vocab_size': 2}, {'vocab_size': 3}, {'vocab_size': 4})
    assert done.conflicts == {'vocab_size': 'both sides changed it'}


@pytest.mark.parametrize('name', ['vocab.json', 'added_tokens.json'])
def test_ids_by_token_follow(name: str) -> None:
    assert merged({'b': 1}, {'b': 1, '<x>': 2}, {'b': 1, '<pad>': 2, '<x>': 3},
                  name=name, beside=BOTH_ADDED) == {'b': 1, '<x>': 2, '<pad>': 3}
    done = merge({'b': 1}, {'b': 1, 'x': 2}, {'b': 1, 'y': 2}, name=name)
    assert done.conflicts == {'the vocabulary': 'the tokens of all sides are not known'}


def test_the_decoder_of_a_tokenizer_config_follows() -> None:
    def config(*tokens: tuple[str, str]) -> dict[str, Any]:
        return {'added_tokens_decoder': {i: {'content': t} for i, t in tokens}}

    assert merged(
        config(), config(('2', '<x>')), config(('2', '<pad>'), ('3', '<x>')),
        name='tokenizer_config.json', beside=BOTH_ADDED,
    ) == config(('2', '<x>'), ('3', '<pad>'))


scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(
    allow_nan=False, allow_infinity=False) | texts
documents = st.dictionaries(texts, st.recursive(
    scalars, lambda x: st.lists(x, max_size=3) | st.dictionaries(texts, x, max_size=3),
    max_leaves=6,
), max_size=4)


@PROPERTY
@given(documents, st.sampled_from([None, 1, 2, '\t']), st.booleans())
def test_a_document_is_written_as_it_was(
    document: Document, indent: int | str | None, ascii: bool,
) -> None:
    data = json.dumps(document, indent=indent, ensure_ascii=ascii).encode()
    parsed = jsontext.parse(data)
    again = jsontext.write(parsed, jsontext.style_of(data, parsed))
    assert again == data


@PROPERTY
@given(documents, documents, documents)
def test_a_merge_with_an_unchanged_side_is_the_other(
    base: Document, ours: Document, theirs: Document,
) -> None:
    assert merged(base, ours, base, name='x.json') == ours
    assert merged(base, base, theirs, name='x.json') == theirs
    assert merged(base, ours, ours, name='x.json') == ours
    one, other = merge(base, ours, theirs), merge(base, theirs, ours)
    assert one.conflicts.keys() == other.conflicts.keys()
    if not one.conflicts:
        assert json.loads(one.text) == json.loads(other.text)


def test_a_failure_leaves_markers_and_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*args: object) -> Merged:
        raise GitError('no repository')

    monkeypatch.setattr(jsonmerge, 'merge', fail)
    monkeypatch.setattr(operation, 'current_option', lambda: None)
    files = [tmp_path / name for name in ('base', 'ours', 'theirs')]
    for file, text in zip(files, ('{"a": 1}\n', '{"a": 2}\n', '{"a": 3}\n')):
        file.write_text(text)
    args = argparse.Namespace(**{file.name: file for file in files})
    args.path, args.marker_size, args.labels = 'config.json', 7, ['%S', '%X', '%Y']
    assert merge_json.run(args) == 1
    assert files[1].read_text() == (
        '<<<<<<< ours\n{"a": 2}\n=======\n{"a": 3}\n>>>>>>> theirs\n'
    )
    assert capsys.readouterr().err == 'error: no repository\n'
