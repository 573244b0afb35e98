"""Words of a manifest line, and the order and groups of names."""
from __future__ import annotations

import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core import words
from tests.testing.properties import PROPERTY
from tests.testing.properties import texts


@PROPERTY
@given(texts)
def test_a_word_says_the_text_again(text: str) -> None:
    assert words.decode(words.encode(text)) == text
    assert words.decode(words.quote(text)) == text


@PROPERTY
@given(st.lists(texts, min_size=1))
def test_a_line_of_words_splits_on_single_spaces(parts: list[str]) -> None:
    line = ' '.join(map(words.encode, parts))
    assert [words.decode(word) for word in line.split(' ')] == parts


@PROPERTY
@given(texts)
def test_no_word_forges_a_line(text: str) -> None:
    word = words.encode(text)
    assert len(word.splitlines()) == 1
    assert word.split() == [word]
    assert word.isprintable() or not word.isascii()


@PROPERTY
@given(texts)
def test_the_quoted_form_is_json(text: str) -> None:
    assert json.loads(words.quote(text)) == text


@PROPERTY
@given(texts, st.booleans())
def test_any_json_string_is_a_word(text: str, ascii_only: bool) -> None:
    assert words.decode(json.dumps(text, ensure_ascii=ascii_only)) == text


@pytest.mark.parametrize('word', ['"', '"a', '"a"b"', '"a\\"', '"\\x"', '"a\n"'])
def test_what_is_no_json_string_is_no_word(word: str) -> None:
    with pytest.raises(ValueError):
        json.loads(word)
    with pytest.raises(ValueError):
        words.decode(word)


def test_every_character_comes_back_and_none_breaks_a_line() -> None:
    points = [*range(0xd800), *range(0xe000, 0x110000)]
    for start in range(0, len(points), 4096):
        text = ''.join(map(chr, points[start:start + 4096]))
        word = words.quote(text)
        assert words.decode(word) == text
        assert word.split() == [word]
        assert not set(word) & set('\u200b\u200e\u202a\u202e\u2066\u2069\ufeff\xad')


@pytest.mark.parametrize(('text', 'word'), [
    ('model.layers.0.w', 'model.layers.0.w'),
    ('#', '#'),
    ('a"b', 'a"b'),
    ('', '""'),
    ('"a"', r'"\"a\""'),
    ('a b', r'"a\u0020b"'),
    ('a\nb', r'"a\u000ab"'),
    ('a\\b', 'a\\b'),
    ('a \\', r'"a\u0020\\"'),
    ('é', '"é"'),
    ('\u202e', r'"\u202e"'),
])
def test_words_are_quoted_only_where_they_must(text: str, word: str) -> None:
    assert words.encode(text) == word


@pytest.mark.parametrize('word', [
    '"', '"a', '"a"b', r'"\x"', r'"\ud800"', '"a\tb"', '""""',
])
def test_a_malformed_word_is_a_value_error(word: str) -> None:
    with pytest.raises(ValueError):
        words.decode(word)


@PROPERTY
@given(texts, texts, texts)
def test_natural_order_is_total(a: str, b: str, c: str) -> None:
    ka, kb, kc = map(words.natural_key, (a, b, c))
    assert (ka == kb) == (a == b)
    assert (ka < kb) + (kb < ka) + (a == b) == 1
    assert not (ka < kb < kc) or ka < kc


@pytest.mark.parametrize('names', [
    ('layers.2.w', 'layers.10.w', 'layers.10.x'),
    ('a1b2', 'a1b10', 'a2b1'),
    ('x', 'x.0', 'x.1'),
    ('a', 'a.02', 'a.2', 'a.10'),
    ('b2', 'b1' + '0' * 5000, 'b' + '9' * 5001),
])
def test_numbers_in_names_compare_as_numbers(names: tuple[str, ...]) -> None:
    for shuffled in permutations(names):
        assert tuple(sorted(shuffled, key=words.natural_key)) == names


@pytest.mark.parametrize(('name', 'group'), [
    ('model.layers.0.mlp.down_proj.weight', 'model.layers.0'),
    ('model/layers/12/kernel', 'model/layers/12'),
    ('lm_head.weight', ''),
    ('0', '0'),
    ('0.weight', '0'),
    ('a.1.b.2.c', 'a.1'),
    ('layer10.w', ''),
    ('conv2d.w', ''),
    ('a.1b', ''),
    ('', ''),
    ('a\nb.3.c', 'a\nb.3'),
])
def test_a_group_ends_with_the_first_part_that_is_a_number(
    name: str, group: str,
) -> None:
    assert words.group(name) == group
