"""Weights of a soup's members, for all tensors and for some layers, as text.

``0.5,0.3,0.2;layers.0=0.2,0.4,0.4``: first those for every tensor, then those for the
groups that differ (a group is a tensor's name up to its first all-digit part). The text
stands in the merge commit, and ``git model merge --weights`` makes the same soup of it.
"""
from __future__ import annotations

import json
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from git_model_driver.core.errors import UsageError
from git_model_driver.merging.keys import Rule
from git_model_driver.merging.keys import is_number

DIGITS = 4
_PART = re.compile(r'(?:([\w./-]+|"(?:[^"\\]|\\.)*")=)?([^;"=]+)(?:;|$)')
_PLAIN = re.compile(r'[\w./-]+')
_SPECIAL = re.compile(r'([*?[])')
_ORIGIN = '--weights'


class Recipe(NamedTuple):
    """A weight for each member, and others in some groups of tensors."""

    weights: tuple[str, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def text(self) -> str:
        parts = [','.join(self.weights)]
        for name, weights in self.groups:
            word = name if _PLAIN.fullmatch(name) else json.dumps(name)
            parts.append(f'{word}={",".join(weights)}')
        return ';'.join(parts)

    @property
    def used(self) -> list[int]:
        """The members with a weight above 0 anywhere."""
        rows = [self.weights, *(weights for _, weights in self.groups)]
        return [
            i for i in range(len(self.weights)) if any(Fraction(row[i]) for row in rows)
        ]

    def rules(self) -> list[Rule]:
        """A weighted mean of all that the members have, for the members in use."""
        used = self.used
        found = [Rule('', 'merge', 'linear', _ORIGIN),
                 Rule('', 'added', 'average', _ORIGIN)]
        for name, weights in (('', self.weights), *self.groups):
            value = ','.join(weights[i] for i in used)
            globs = [''] if not name else [_literal(name), f'{_literal(name)}[./]*']
            found += [Rule(glob, 'weights', value, _ORIGIN) for glob in globs]
        return found

    def with_group(self, name: str, weights: Sequence[float]) -> Recipe:
        """The same with other weights for a group, or for all if it is ''."""
        texts = shares(weights)
        if not name:
            return self._replace(weights=texts)
        kept = [each for each in self.groups if each[0] != name]
        return self._replace(groups=tuple(sorted([*kept, (name, texts)])))


def _literal(name: str) -> str:
    return _SPECIAL.sub(r'[\1]', name)


def shares(weights: Sequence[float]) -> tuple[str, ...]:
    """Weights, normalised, with so few digits that they can be read and typed."""
    total = sum(weights)
    return tuple(f'{weight / total:.{DIGITS}f}' for weight in weights)


def uniform(members: Sequence[int], n: int) -> Recipe:
    """Equal weights for some of n members."""
    return Recipe(tuple('1' if i in members else '0' for i in range(n)))


def parse(text: str, n: int) -> Recipe:
    """Inverse of ``text``. Raises UsageError for what is no recipe for n members."""
    at, rows = 0, []
    for part in _PART.finditer(text):
        if part.start() != at:
            break
        at = part.end()
        name = part[1] or ''
        if name.startswith('"'):
            name = str(json.loads(name))
        rows.append((name, tuple(word.strip() for word in part[2].split(','))))
    sound = at == len(text) and rows and not rows[0][0] and all(r[0] for r in rows[1:])
    if not sound or not all(is_number(w) for _, row in rows for w in row):
        raise UsageError(
            f"'{text}' are no weights",
            'write them as in --weights=0.5,0.5 or '
            "--weights='0.5,0.5;layers.0=0.2,0.8', HEAD's first",
        )
    for name, row in rows:
        if len(row) != n:
            raise UsageError(
                f'{len(row)} weights are given for {n} versions',
                "HEAD has the first weight, then come the revisions' in their order",
            )
        if sum(map(Fraction, row)) <= 0 or min(map(Fraction, row)) < 0:
            raise UsageError(
                f"weights{f' of {name}' if name else ''} are 0 or more, and not all 0",
            )
    return Recipe(rows[0][1], tuple(rows[1:]))
