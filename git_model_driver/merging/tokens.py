"""Vocabularies: which token each row of an embedding stands for, and their merge.

A vocabulary is a mapping from id to token. Ids of the common ancestor and those
that ours added stay as they are; what theirs added comes behind them where an id
is taken. A token that several sides added is one token.
"""
from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from git_model_driver.merging.threeway import Who
from git_model_driver.merging.threeway import decide
from git_model_driver.merging.units.base import Unsettled

Vocabulary = Mapping[int, str]
FILES = ('tokenizer.json', 'vocab.json', 'vocab.txt', 'added_tokens.json')
Read = Callable[[str], 'bytes | None']


class Union(NamedTuple):
    """The merged vocabulary.

    ``moved``: for each version, the ids of tokens that have another id now.
    """

    tokens: dict[int, str]
    moved: tuple[dict[int, int], ...]


def read(read: Read) -> dict[int, str] | None:
    """The vocabulary in the files of one version, None where there is none.

    tokenizer.json, else vocab.json or vocab.txt with added_tokens.json. None, too,
    where a file is malformed, or two ids have one token.
    """
    try:
        data = read('tokenizer.json')
        if data is not None:
            return of_tokenizer(json.loads(data))
        pairs = _of_vocab_files(read)
        return None if pairs is None else _by_id(pairs)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def of_tokenizer(document: Any) -> dict[int, str]:
    """The vocabulary of a tokenizer.json. Raises ValueError and the like."""
    vocab = document['model']['vocab']
    pairs = [(token, i) for token, i in vocab.items()] if isinstance(vocab, dict) else [
        (piece[0], i) for i, piece in enumerate(vocab)      # Unigram: with scores
    ]
    pairs += [
        (added['content'], added['id']) for added in document.get('added_tokens') or []
    ]
    return _by_id(pairs)


def _of_vocab_files(read: Read) -> list[tuple[Any, Any]] | None:
    pairs: list[tuple[Any, Any]]
    words, text = read('vocab.json'), read('vocab.txt')
    if words is not None:
        pairs = list(json.loads(words).items())
    elif text is not None:
        lines = text.decode().split('\n')
        if lines[-1] == '':
            lines.pop()
        pairs = [(line.rstrip('\r'), i) for i, line in enumerate(lines)]
    else:
        return None
    added = read('added_tokens.json')
    return pairs + list(json.loads(added).items()) if added else pairs


def _by_id(pairs: Iterable[tuple[Any, Any]]) -> dict[int, str]:
    tokens: dict[int, str] = {}
    for token, i in pairs:
        i = int(i)
        if not isinstance(token, str) or i < 0 or tokens.setdefault(i, token) != token:
            raise ValueError(f'{token!r} has no id of its own')
    if len(set(tokens.values())) < len(tokens):
        raise ValueError('two ids have one token')
    return tokens


def check_kept(base: Vocabulary, version: Vocabulary, label: str) -> dict[int, str]:
    """The tokens of base that were replaced in place, by id.

    Raises Unsettled where tokens were removed or have got other ids.
    """
    replaced = {
        i: version.get(i) for i, token in base.items() if version.get(i) != token
    }
    if not replaced:
        return {}
    old, new = set(base.values()), set(version.values())
    if any(base[i] in new or token in old for i, token in replaced.items()):
        raise Unsettled(f'tokens have other ids in {label}')
    kept = {i: token for i, token in replaced.items() if token is not None}
    if len(kept) < len(replaced):
        raise Unsettled(f'tokens were removed in {label}')
    return kept


def merge(
    base: Vocabulary, versions: Sequence[Vocabulary], labels: Sequence[str],
) -> Union:
    """One vocabulary with the tokens of all versions, ours (the first) as it is.

    Raises Unsettled for tokens that were removed or renumbered, or replaced by
    different ones, where more than one version changed the vocabulary.
    """
    decision = decide(base, *versions)
    if decision.value is not None:
        return Union(dict(decision.value), tuple({} for _ in versions))
    tokens = _kept(base, versions, labels)
    ids = {token: i for i, token in tokens.items()}
    if len(ids) < len(tokens):
        raise Unsettled('two ids were given the same token')
    moved = []
    for version in versions:
        moved.append(_add({i: version[i] for i in sorted(version.keys() - base.keys())},
                          tokens, ids))
    return Union(tokens, tuple(moved))


def _kept(
    base: Vocabulary, versions: Sequence[Vocabulary], labels: Sequence[str],
) -> dict[int, str]:
    """Base's ids, with what a version put in the place of a token."""
    replaced = [check_kept(base, *pair) for pair in zip(versions, labels)]
    tokens = dict(base)
    for i in sorted(set().union(*replaced)):
        decision = decide(base[i], *(new.get(i, base[i]) for new in replaced))
        if decision.who is Who.MANY or decision.value is None:
            raise Unsettled(f'token {i} was replaced by different ones')
        tokens[i] = decision.value
    return tokens


def _add(
    new: Mapping[int, str], tokens: dict[int, str], ids: dict[str, int],
) -> dict[int, int]:
    """Add a version's new tokens to what there is; the ids that are others now."""
    moved = {i: ids[token] for i, token in new.items() if ids.get(token, i) != i}
    unseen = {i: token for i, token in new.items() if token not in ids}
    taken = any(i in tokens for i in unseen)
    after = max(tokens, default=-1) + 1
    for n, (i, token) in enumerate(unseen.items()):
        place = after + n if taken else i
        if place != i:
            moved[i] = place
        tokens[place] = token
        ids[token] = place
    return moved
