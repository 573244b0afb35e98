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


def merge(
    texts: Texts, path: str, siblings: Siblings, labels: Labels,
    favour: str | None = None,
) -> Merged:
    """Merge by key. What is no JSON object is merged as text, line by line.

    ``favour``: the side that conflicts are settled with, None for neither.
    """
    name = posixpath.basename(path)
    try:
        documents = [jsontext.parse(text) if text else {} for text in texts]
        if not all(isinstance(document, dict) for document in documents):
            raise ValueError('no object')
        style = jsontext.style_of(texts.ours, documents[1])
    except (ValueError, RecursionError):
        return _as_lines(texts, labels, favour)
    try:
        written, found = _by_key(texts, documents, name, siblings, style)
    except Unsettled as e:
        written, found = texts, {'the vocabulary': str(e)}
    except (KeyError, TypeError, AttributeError, ValueError, IndexError):
        # A tokenizer.json that is built otherwise.
        return _as_lines(texts, labels, favour)
    if favour is not None or not found:
        return Merged(written.theirs if favour == 'theirs' else written.ours, {})
    return Merged(marked(written, labels), found)


def _by_key(
    texts: Texts, documents: Sequence[Any], name: str, siblings: Siblings,
    style: jsontext.Style,
) -> tuple[Texts, dict[str, str]]:
    """What each side would make of it, and the conflicts."""
    known = _vocabularies(documents, name, siblings)
    union = _union(known, name, has_base=bool(texts.base))
    sides = [
        jsonkeys.opened(document, name, union, i - 1)
        for i, document in enumerate(documents)
    ]
    if name not in (jsonkeys.TOKENIZER, *jsonkeys.VOCABULARIES):
        sides = jsonkeys.with_vocab_size(sides, known, _SIDES)
    tree = jsonkeys.with_total_size(jsontree.merge(*sides), sides)
    found = dict(jsontree.conflicts(tree))
    written = [
        jsontext.write(
            jsonkeys.closed(jsontree.side(tree, i), documents[1], union), style,
        ) for i in range(len(texts) if found else 1)
    ]
    return Texts(*(written if found else 3 * written)), found


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


def _as_lines(texts: Texts, labels: Labels, favour: str | None) -> Merged:
    code, text = _merge_file(texts, labels, *([f'--{favour}'] if favour else []))
    if code == 0:
        return Merged(text, {})
    return Merged(text, {'the whole file': 'it is no JSON that can be merged by key'})


def marked(texts: Texts, labels: Labels) -> bytes:
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


def _merge_file(texts: Texts, labels: Labels, *options: str) -> tuple[int, bytes]:
    """What git merge-file makes of it, and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, side) for side in Texts._fields]
        for file, text in zip(files, texts):
            file.write_bytes(text)
        base, ours, theirs = map(str, files)
        done = run.attempt(
            'merge-file', '-p', *options, f'--marker-size={labels.size}',
            '-L', labels.ours, '-L', 'base', '-L', labels.theirs, ours, base, theirs,
        )
    if done.code > 127:
        return done.code, texts.ours        # binary: git's own driver keeps ours
    return done.code, done.out
