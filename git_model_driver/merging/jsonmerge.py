"""The merge driver for the JSON files beside a model.

config.json, tokenizer.json and their like are merged key by key, so that two keys
on neighbouring lines are no conflict; tokens that both sides added get the ids, and
vocab_size the value, that fit the merged embedding (merging.rows).
"""
from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from typing import NamedTuple

from git_model_driver.git import run
from git_model_driver.merging import jsonkeys
from git_model_driver.merging import jsontext
from git_model_driver.merging import jsontree
from git_model_driver.merging import tokens
from git_model_driver.merging.conflicts import Labels
from git_model_driver.merging.tokens import Union
from git_model_driver.merging.tokens import Vocabulary
from git_model_driver.merging.units.base import Siblings
from git_model_driver.merging.units.base import Unsettled

_SIDES = ('ours', 'theirs')


class Texts(NamedTuple):
    """A file on the three sides; base is empty where there is no common ancestor."""

    base: bytes
    ours: bytes
    theirs: bytes


class Merged(NamedTuple):
    """The text, with conflict markers where there are conflicts: why, by key."""

    text: bytes
    conflicts: Mapping[str, str]


def merge(texts: Texts, path: str, siblings: Siblings, labels: Labels) -> Merged:
    """Merge by key. What is no JSON object is merged as text, line by line."""
    name = posixpath.basename(path)
    try:
        documents = [jsontext.parse(text) if text else {} for text in texts]
        if not all(isinstance(document, dict) for document in documents):
            raise ValueError('no object')
        style = jsontext.style_of(texts.ours, documents[1])
    except (ValueError, RecursionError):
        return _as_lines(texts, labels)
    try:
        return _by_key(texts, documents, name, siblings, style, labels)
    except Unsettled as e:
        return Merged(_marked(texts, labels), {'the vocabulary': str(e)})
    except (KeyError, TypeError, AttributeError, ValueError, IndexError):
        # A tokenizer.json that is built otherwise.
        return _as_lines(texts, labels)


def _by_key(
    texts: Texts, documents: Sequence[Any], name: str, siblings: Siblings,
    style: jsontext.Style, labels: Labels,
) -> Merged:
    known = _vocabularies(documents, name, siblings)
    union = _union(known, name, has_base=bool(texts.base))
    sides = [
        jsonkeys.opened(document, name, union, i - 1)
        for i, document in enumerate(documents)
    ]
    if name not in (jsonkeys.TOKENIZER, *jsonkeys.VOCABULARIES):
        sides = jsonkeys.with_vocab_size(sides, known, _SIDES)
    tree = jsontree.merge(*sides)
    found = dict(jsontree.conflicts(tree))
    settled = [jsontree.side(tree, i) for i in range(len(texts) if found else 1)]
    written = [
        jsontext.write(jsonkeys.closed(document, documents[1], union), style)
        for document in settled
    ]
    if not found:
        return Merged(written[0], {})
    return Merged(_marked(Texts(*written), labels), found)


def _vocabularies(
    documents: Sequence[Any], name: str, siblings: Siblings,
) -> list[Vocabulary | None]:
    """Of base, ours and theirs. Raises ValueError and the like."""
    if name == jsonkeys.TOKENIZER:
        return [tokens.of_tokenizer(doc) if doc else {} for doc in documents]
    return [
        tokens.read(partial(siblings.read, i - 1)) for i in range(len(documents))
    ]


def _union(
    known: Sequence[Vocabulary | None], name: str, has_base: bool,
) -> Union | None:
    """The merged vocabulary; None where it is unknown. Raises Unsettled.

    A file that has nothing of it does not mind whether it can be merged.
    """
    is_vocabulary = name == jsonkeys.TOKENIZER or name in jsonkeys.VOCABULARIES
    present = [vocabulary for vocabulary in known if vocabulary is not None]
    if is_vocabulary and not has_base:
        raise Unsettled('it was added on both sides')
    if len(present) < len(known):
        if is_vocabulary:
            raise Unsettled('the tokens of all sides are not known')
        return None
    try:
        return tokens.merge(present[0], present[1:], _SIDES)
    except Unsettled:
        if is_vocabulary:
            raise
        return None


def _as_lines(texts: Texts, labels: Labels) -> Merged:
    code, text = _merge_file(texts, labels)
    if code == 0:
        return Merged(text, {})
    return Merged(text, {'the whole file': 'it is no JSON that can be merged by key'})


def _marked(texts: Texts, labels: Labels) -> bytes:
    """With markers around the lines that differ; around all, should there be none."""
    code, text = _merge_file(texts, labels)
    if code:
        return text
    lines = [
        b'<' * labels.size + b' ' + labels.ours.encode(), texts.ours.rstrip(b'\n'),
        b'=' * labels.size, texts.theirs.rstrip(b'\n'),
        b'>' * labels.size + b' ' + labels.theirs.encode(),
    ]
    return b'\n'.join(lines) + b'\n'


def _merge_file(texts: Texts, labels: Labels) -> tuple[int, bytes]:
    """What git merge-file makes of it, and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, side) for side in Texts._fields]
        for file, text in zip(files, texts):
            file.write_bytes(text)
        base, ours, theirs = map(str, files)
        done = run.attempt(
            'merge-file', '-p', f'--marker-size={labels.size}', '-L', labels.ours,
            '-L', 'base', '-L', labels.theirs, ours, base, theirs,
        )
    if done.code > 127:
        return done.code, texts.ours        # binary: git's own driver keeps ours
    return done.code, done.out
