"""Ids of tokens, and what follows from the vocabulary, in a model's JSON files.

Where both sides added tokens, those of theirs get other ids (merging.tokens): ids
that its files mention are changed with them, before anything is merged.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Optional

from git_model_driver.merging import jsontree
from git_model_driver.merging.jsontext import Number
from git_model_driver.merging.rows import Side
from git_model_driver.merging.rows import plan_of_rows
from git_model_driver.merging.tokens import Union
from git_model_driver.merging.tokens import Vocabulary
from git_model_driver.merging.units.base import Unsettled

TOKENIZER = 'tokenizer.json'
# Files that are a mapping from token to id.
VOCABULARIES = ('vocab.json', 'added_tokens.json')
_IDS = re.compile(
    r'(.*_)?token_(id|ids|index)|(begin_)?suppress_tokens|bad_words_ids|ids|pad_id|unk_id',
)
_PAIRS = ('cls', 'sep')     # ["[CLS]", 101]
_WITH_VOCABULARY = ('text_config', 'decoder', 'encoder')


def translated(value: Any, moved: Mapping[int, int], key: str = '') -> Any:
    """With the ids of tokens changed, wherever a key says that it is one."""
    if not moved or key == 'vocab':     # its keys are tokens
        return value
    if isinstance(value, dict):
        renamed = _decoder(value, moved) if key == 'added_tokens_decoder' else value
        return {k: translated(item, moved, k) for k, item in renamed.items()}
    if isinstance(value, list) and (_IDS.fullmatch(key) or key in _PAIRS):
        return [translated(item, moved, key) for item in value]
    if isinstance(value, Number) and (_IDS.fullmatch(key) or key in _PAIRS):
        return _moved(value, moved)
    return value


def _moved(number: Number, moved: Mapping[int, int]) -> Number:
    if not number.text.isdecimal() or int(number) not in moved:
        return number
    return Number(str(moved[int(number)]))


def _decoder(tokens: Mapping[str, Any], moved: Mapping[int, int]) -> dict[str, Any]:
    return {
        str(moved.get(int(i), i)) if i.isdecimal() else i: entry
        for i, entry in tokens.items()
    }


def opened(document: Any, name: str, union: Union | None, i: int) -> Any:
    """A document of version ``i`` (-1: base), its lists of tokens as objects by token.

    Their ids are those of the merged vocabulary: they do not differ between sides.
    """
    if union is None or not isinstance(document, dict):
        return document
    moved = union.moved[i] if i >= 0 else {}
    if name in VOCABULARIES:
        return {token: _moved(number, moved) for token, number in document.items()}
    document = translated(document, moved)
    if name != TOKENIZER:
        return document
    model = dict(document['model'])
    if isinstance(model['vocab'], dict):
        model['vocab'] = {t: _moved(n, moved) for t, n in model['vocab'].items()}
    else:
        model['vocab'] = {piece[0]: piece[1:] for piece in model['vocab']}
    document = {**document, 'model': model}
    if document.get('added_tokens'):
        document['added_tokens'] = {
            entry['content']: {**entry, 'id': _moved(entry['id'], moved)}
            for entry in document['added_tokens']
        }
    return document


def closed(document: Any, was: Any, union: Union | None) -> Any:
    """Inverse of ``opened`` for what was merged; ``was`` is ours, as it is written.

    Raises Unsettled where the pieces of a Unigram model are not consecutive.
    """
    if union is None or not isinstance(document, dict) or 'model' not in document:
        return document
    document = dict(document)
    if isinstance(document.get('added_tokens'), dict):
        added = document['added_tokens'].values()
        document['added_tokens'] = sorted(added, key=lambda entry: int(entry['id']))
    if isinstance(was['model']['vocab'], list):
        ids = {token: i for i, token in union.tokens.items()}
        pieces = document['model']['vocab']
        tokens = sorted(pieces, key=lambda token: ids[token])
        if [ids[token] for token in tokens] != list(range(len(tokens))):
            raise Unsettled('added pieces would come behind added tokens')
        vocab = [[token, *pieces[token]] for token in tokens]
        document['model'] = {**document['model'], 'vocab': vocab}
    return document


def with_vocab_size(
    documents: Sequence[Any], vocabularies: Sequence[Optional[Vocabulary]],
    labels: Sequence[str],
) -> list[Any]:
    """Where all versions changed the size of the vocabulary: that of the merged one.

    The rows of the embedding follow from the same plan. Where it cannot be told, the
    documents come back as they are.
    """
    sizes = [
        doc.get('vocab_size') if isinstance(doc, dict) else None for doc in documents
    ]
    result = list(documents)
    numbers = [n for n in sizes if isinstance(n, Number) and n.text.isdecimal()]
    if len(numbers) == len(sizes) and (
        numbers[0] not in numbers[1:] and None not in vocabularies
    ):
        sides = [Side(int(n), known) for n, known in zip(numbers, vocabularies)]
        try:
            rows = Number(str(plan_of_rows(sides[0], sides[1:], labels).rows))
            result = [{**doc, 'vocab_size': rows} for doc in documents]
        except Unsettled:
            pass
    for key in _WITH_VOCABULARY:
        inner = [doc.get(key) if isinstance(doc, dict) else None for doc in documents]
        if all(isinstance(doc, dict) for doc in inner):
            done = with_vocab_size(inner, vocabularies, labels)
            result = [{**doc, key: part} for doc, part in zip(result, done)]
    return result


def with_total_size(tree: Any, sides: Sequence[Any]) -> Any:
    """The index of shards with the bytes that both sides added.

    Sides that each added tensors of the same size have the same total, which is
    not the sum.
    """
    maps = [_part(side, 'weight_map') for side in sides]
    totals = [_part(side, 'metadata').get('total_size') for side in sides]
    numbers = [total for total in totals if isinstance(total, Number)]
    if len(numbers) < len(totals) or not all(maps) or (
        maps[1].keys() == maps[2].keys()
        or numbers[0] == numbers[1] or numbers[1] != numbers[2]
    ):
        return tree
    total = jsontree.merged_size(*numbers)
    return {**tree, 'metadata': {**tree['metadata'], 'total_size': total}}


def _part(document: Any, key: str) -> dict[str, Any]:
    found = document.get(key) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}
