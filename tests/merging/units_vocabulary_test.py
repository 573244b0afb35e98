"""Embeddings and output layers whose rows are tokens."""
from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy
import pytest

from git_model_driver.core.model import Entry
from git_model_driver.core.oid import Oid
from git_model_driver.git.operation import MERGE
from git_model_driver.merging.rules import Choice
from git_model_driver.merging.units import vocabulary
from git_model_driver.merging.units.base import Case
from git_model_driver.merging.units.base import Unsettled

NAME = 'model.embed_tokens.weight'
FILES = Sequence[Mapping[str, Any]]


class Beside:
    """The files of base and of the versions."""

    def __init__(self, sides: FILES = ()) -> None:
        self.sides = sides

    def read(self, side: int, name: str) -> bytes | None:
        if not self.sides or name not in self.sides[side + 1]:
            return None
        return json.dumps(self.sides[side + 1][name]).encode()


class Desk:
    """Tensors in memory; two that differ become their mean."""

    operation = MERGE
    labels = ('ours', 'theirs', 'more')

    def __init__(self, files: FILES = ()) -> None:
        self.siblings = Beside(files)
        self.arrays: dict[str, Any] = {}
        self.notes: list[str] = []
        self.blended: list[tuple[str, bool, int]] = []

    def entry(self, array: Any) -> Entry:
        oid = Oid(f'sha256:{len(self.arrays):064x}')
        self.arrays[oid] = array
        word = 'BF16' if array.dtype.name == 'bfloat16' else f'F{8 * array.itemsize}'
        return Entry(NAME, word, array.shape, oid)

    def load(self, entry: Entry) -> Any:
        return self.arrays[entry.oid]

    def save(self, array: Any, like: Entry) -> Entry:
        assert array.dtype == self.load(like).dtype
        return self.entry(array)

    def blend(self, name: str, base: Any, arrays: Sequence[Any]) -> Any:
        self.blended.append((name, base is not None, len(arrays)))
        return sum(arrays[1:], arrays[0]) / arrays[0].dtype.type(len(arrays))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def choose(self, name: str) -> Choice:
        raise AssertionError

    def shares(self, name: str) -> tuple[Fraction, ...]:
        raise AssertionError

    def merge(self, name: str, base: Any, versions: Any) -> Entry:
        raise AssertionError


def column(*values: float) -> Any:
    """Rows of two equal numbers."""
    return numpy.array([[value, value] for value in values], numpy.float32)


def settle(desk: Desk, *arrays: Any, name: str = NAME) -> Any:
    base, *versions = (desk.entry(array)._replace(name=name) for array in arrays)
    case = Case((name,), {name: base}, tuple({name: entry} for entry in versions))
    return desk.load(vocabulary.settle(case, desk)[name])


def tokenizers(*added: str, size: int = 2) -> list[dict[str, Any]]:
    """Of each side: tokens 0 and 1, and from 2 on the letters of its word."""
    return [
        {
            'tokenizer.json': {
                'model': {'vocab': {str(i): i for i in range(size)}},
                'added_tokens': [
                    {'id': size + i, 'content': token} for i, token in enumerate(word)
                ],
            },
            'config.json': {'vocab_size': size + len(word)},
        }
        for word in added
    ]


def test_rows_that_one_side_added_are_appended() -> None:
    desk = Desk()
    found = settle(desk, column(1, 2), column(1, 4, 7, 8), column(1, 2.5))
    assert found.tolist() == column(1, 3.25, 7, 8).tolist()
    assert desk.blended == [(NAME, True, 2)]
    assert desk.notes == [f'{NAME}: rows added, 2 by ours']


def test_common_rows_that_one_side_left_alone_are_the_others() -> None:
    """Not half of what it learned."""
    desk = Desk()
    found = settle(desk, column(1, 2), column(1, 2, 7), column(5, 6))
    assert found.tolist() == column(5, 6, 7).tolist()
    assert desk.blended == []


def test_tokens_of_both_sides_are_aligned_and_averaged() -> None:
    desk = Desk(tokenizers('', 'xy', 'yz'))
    found = settle(desk, column(1, 2), column(1, 2, 10, 20), column(1, 2, 40, 50))
    assert found.tolist() == column(1, 2, 10, 30, 50).tolist()
    assert desk.blended == [(NAME, False, 2)]
    assert desk.notes == [
        f'{NAME}: rows added, 2 by ours, 2 by theirs',
        f'{NAME}: 5 rows; config.json needs "vocab_size": 5',
        f"{NAME}: token ids of theirs have changed: 'y' 2 -> 3, 'z' 3 -> 4",
    ]


def test_three_versions_share_what_two_of_them_added() -> None:
    desk = Desk(tokenizers('', 'x', 'y', 'yx'))
    found = settle(
        desk, column(1, 2), column(1, 2, 10), column(1, 2, 20), column(1, 2, 40, 30),
    )
    assert found.tolist() == column(1, 2, 20, 30).tolist()


def test_padding_is_used_up_and_the_rest_is_kept() -> None:
    desk = Desk(tokenizers('', 'x', 'y'))
    found = settle(
        desk, column(1, 2, 0, 0, 0), column(1, 2, 10, 0, 0), column(3, 2, 20, 0, 4),
    )
    assert found.tolist() == column(3, 2, 10, 20, 4).tolist()


@pytest.mark.parametrize('name', ['lm_head.kernel', 'lm_head.weight'])
def test_tokens_may_be_columns(name: str) -> None:
    """The output layers of some frameworks are (width, tokens)."""
    desk = Desk(tokenizers('', 'x', 'y'))
    arrays = (column(1, 2), column(1, 2, 10), column(1, 2, 20))
    found = settle(desk, *(numpy.ascontiguousarray(a.T) for a in arrays), name=name)
    assert found.tolist() == column(1, 2, 10, 20).T.tolist()
    assert found.flags.c_contiguous


def test_a_bias_has_an_element_for_each_token() -> None:
    desk = Desk(tokenizers('', 'x', 'y'))
    values = ([1, 2], [1, 2, 3], [1, 5, 4])
    arrays = [numpy.array(row, ml_dtypes.bfloat16) for row in values]
    found = settle(desk, *arrays, name='lm_head.bias')
    assert found.astype('f4').tolist() == [1, 5, 3, 4]
    assert found.dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize(('files', 'arrays', 'why'), [
    ((), (column(1), column(1, 2), column(1, 3)),
     'rows were added on several sides, and no tokenizer of all of them says which '
     'is which'),
    ((), (column(1, 2), column(1), column(1, 3)), 'rows were removed in ours'),
    (tokenizers('ab', 'ab', 'a'),
     (column(1, 2, 3, 4), column(1, 2, 3, 5), column(1, 2, 3)),
     'tokens were removed in theirs'),
    (tokenizers('ab', 'ab', 'bac'),
     (column(1, 2, 3, 4), column(1, 2, 3, 5), column(1, 2, 3, 4, 6)),
     'tokens have other ids in theirs'),
    ((), (column(1), column(1, 2), numpy.zeros((2, 3), 'f4')),
     'its shapes differ in more than its rows'),
    ((), (column(1), column(1, 2), column(1, 3).astype('f8')),
     'its dtypes differ, and rows were added'),
])
def test_what_nothing_tells_is_unsettled(files: FILES, arrays: Any, why: str) -> None:
    with pytest.raises(Unsettled) as raised:
        settle(Desk(files), *arrays)
    assert str(raised.value) == why


def test_a_tensor_that_is_not_on_all_sides_is_unsettled() -> None:
    desk = Desk()
    entry = desk.entry(column(1))
    with pytest.raises(Unsettled, match='it is not on all sides'):
        vocabulary.settle(Case((NAME,), {}, ({NAME: entry}, {NAME: entry})), desk)


def recognised(
    name: str, *shapes: tuple[int, ...], files: FILES | None = None,
) -> bool:
    entries = [Entry(name, 'F32', shape, Oid('sha256:' + '0' * 64)) for shape in shapes]
    beside = None if files is None else Beside(files)
    return vocabulary.recognised(name, entries[0], entries[1:], beside)


@pytest.mark.parametrize('name', [
    'model.embed_tokens.weight', 'wte.weight', 'transformer.wte.weight',
    'shared.weight',
    'bert.embeddings.word_embeddings.weight', 'lm_head.weight', 'lm_head.bias',
    'cls.predictions.decoder.weight', 'cls.predictions.bias', 'embed_out.weight',
    'params/lm_head/kernel', 'model/shared/weight:0', 'model/embed_tokens/embeddings:0',
    'tok_embeddings.weight', 'params/wte/embedding', 'shared',
])
def test_embeddings_and_output_layers_are_known_by_name(name: str) -> None:
    assert recognised(name, (3, 2), (4, 2), (3, 2))
    assert not recognised(name, (3, 2), (4, 3), (3, 2))
    assert not recognised(name, (3, 2), (3, 2), (3, 2))


@pytest.mark.parametrize('name', [
    'model.layers.0.mlp.up_proj.weight', 'wpe.weight', 'decoder.weight', 'notshared.x',
    'embeddings.position_embeddings.weight',
])
def test_other_tensors_are_known_by_the_size_of_the_vocabulary(name: str) -> None:
    files = tokenizers('', 'x', 'xy')
    assert not recognised(name, (2, 5), (3, 5), (4, 5))
    assert recognised(name, (2, 5), (3, 5), (4, 5), files=files)
    assert recognised(name, (5, 2), (5, 3), (5, 4), files=files)
    assert not recognised(name, (2, 5), (3, 5), (3, 5), files=files)
    inner = [{'config.json': {'text_config': side['config.json']}} for side in files]
    assert recognised(name, (2, 5), (3, 5), (4, 5), files=inner)


@pytest.mark.parametrize(('added', 'mixed'), [
    (('', 'x', 'y'), True), (('', 'x', 'xy'), True), (('', 'x', ''), True),
    (('', 'xy', 'yx'), True),
    (('x', 'x', 'x'), False), (('xy', 'yx', 'xy'), True), (('', 'xyzuvw', ''), False),
])
def test_equal_shapes_are_looked_at_where_tokenizers_differ(
    added: tuple[str, ...], mixed: bool,
) -> None:
    files = tokenizers(*added)
    assert recognised(NAME, *[(6, 2)] * 3, files=files) is mixed
    assert recognised('lm_head.kernel', *[(2, 6)] * 3, files=files) is mixed
    assert not recognised('layer.weight', *[(6, 2)] * 3, files=files)
