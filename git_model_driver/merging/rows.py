"""Rows of an embedding: which row of each version a merged row is made of.

Row i of an embedding or of an output layer belongs to token i. Rows that no token
has are padding.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from typing import Optional

from git_model_driver.merging import tokens
from git_model_driver.merging.tokens import Union
from git_model_driver.merging.tokens import Vocabulary
from git_model_driver.merging.units.base import Unsettled


class Row(NamedTuple):
    """The index of a merged row's source in base, and in each version."""

    base: Optional[int]
    versions: tuple[Optional[int], ...]


class Plan(NamedTuple):
    """The first ``common`` rows are the same rows on all sides; ``tail`` follows.

    ``moved``: for each version, the ids of tokens that have another id now.
    """

    common: int
    tail: tuple[Row, ...]
    moved: tuple[dict[int, int], ...]

    @property
    def rows(self) -> int:
        return self.common + len(self.tail)


class Side(NamedTuple):
    """How many rows a side has, and its vocabulary where that is known."""

    rows: int
    tokens: Optional[Vocabulary] = None


def plan_of_rows(base: Side, versions: Sequence[Side], labels: Sequence[str]) -> Plan:
    """Base's rows, then those that were added, in the order of the versions.

    Raises Unsettled where nothing says which rows belong together.
    """
    known = [side.tokens for side in versions if side.tokens is not None]
    if base.tokens is None or len(known) < len(versions):
        return _by_counts(base.rows, [side.rows for side in versions], labels)
    for side, label in zip((base, *versions), ('base', *labels)):
        if max(side.tokens or (), default=-1) >= side.rows:
            raise Unsettled(f'{label} has more tokens than its {side.rows} rows')
    for version, label in zip(known, labels):
        tokens.check_kept(base.tokens, version, label)
    _check_growth(base, versions, labels)
    union = tokens.merge(base.tokens, known, labels)
    return _by_tokens(base.rows, base.tokens, versions, known, union)


def _by_counts(base: int, rows: Sequence[int], labels: Sequence[str]) -> Plan:
    """Without vocabularies: at most one version may have added rows."""
    for n, label in zip(rows, labels):
        if n < base:
            raise Unsettled(f'rows were removed in {label}')
    grown = [i for i, n in enumerate(rows) if n > base]
    if len(grown) > 1:
        raise Unsettled(
            'rows were added on several sides, and no tokenizer of all of them '
            'says which is which',
        )
    tail = [
        Row(None, tuple(row if i in grown else None for i in range(len(rows))))
        for row in range(base, max(rows))
    ]
    return Plan(base, tuple(tail), tuple({} for _ in rows))


def _check_growth(base: Side, versions: Sequence[Side], labels: Sequence[str]) -> None:
    """Rows for tokens that the tokenizer does not have yet are not to be mixed up."""
    grown = [i for i, side in enumerate(versions) if side.rows > base.rows]
    for i in grown:
        if len(grown) > 1 and len(versions[i].tokens or ()) == len(base.tokens or ()):
            raise Unsettled(
                'rows were added on several sides, and the tokenizer of '
                f'{labels[i]} has no token for them',
            )


def _by_tokens(
    base: int, old: Vocabulary, versions: Sequence[Side],
    known: Sequence[Vocabulary], union: Union,
) -> Plan:
    total = max(max(union.tokens, default=-1) + 1, *(side.rows for side in versions))
    added = union.tokens.keys() - old.keys()
    added = added.union(*(version.keys() - old.keys() for version in known))
    common = min([base, *(side.rows for side in versions), *added])
    ids = [{token: i for i, token in version.items()} for version in known]
    tail = []
    for row in range(common, total):
        if row in old:
            tail.append(Row(row, (row,) * len(versions)))
        elif row in union.tokens:
            token = union.tokens[row]
            tail.append(Row(None, tuple(of.get(token) for of in ids)))
        else:
            tail.append(_padding(row, base, versions, known))
    return Plan(common, tuple(tail), union.moved)


def _padding(
    row: int, base: int, versions: Sequence[Side], known: Sequence[Vocabulary],
) -> Row:
    """A row of no token: of the sides that have one there."""
    there = [row if row < side.rows else None for side in versions]
    free = [i if row not in known[n] else None for n, i in enumerate(there)]
    if None not in free:
        return Row(row if row < base else None, tuple(free))
    if any(i is not None for i in free):
        return Row(None, tuple(free))
    # One of those whose token has moved away.
    return Row(None, tuple(there))
