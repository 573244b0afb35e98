"""What people say of checkouts in Git's configuration.

``model.materialize``, ``model.materializeThreshold``: does git write models into the
worktree, or do we, later? ``model.missing``: does a checkout fail where tensors are
missing? ``model.fetchInclude``, ``model.fetchExclude``: which models are fetched.

Of Git's own configuration only: files of a repository have no say in it.
"""
from __future__ import annotations

import re
from typing import NamedTuple

from git_model_driver.core.choice import Choice
from git_model_driver.core.errors import GitModelError
from git_model_driver.git import options

_UNITS = {'': 1, 'k': 1 << 10, 'm': 1 << 20, 'g': 1 << 30}
_SIZE = re.compile(r'([0-9]+)([kmg]?)', re.IGNORECASE)


class Checkouts(NamedTuple):
    """Models of at least ``threshold`` bytes are written ``later``; only those of the
    ``choice`` are fetched. No manifest stands for one whose tensors ``must_be_there``.
    """

    later: bool
    threshold: int
    must_be_there: bool
    choice: Choice


def settings() -> Checkouts:
    """Raises GitModelError for a value that there is not."""
    found = options.several(options.CHECKOUT)
    _, threshold, _, include, exclude = (found.get(key, []) for key in options.CHECKOUT)
    return Checkouts(
        _one_of(found, 'materialize', 'now', 'later') == 'later',
        _bytes(threshold[-1] if threshold else '0'),
        _one_of(found, 'missing', 'manifest', 'error') == 'error',
        Choice(tuple(include), tuple(exclude)),
    )


def _one_of(found: dict[str, list[str]], name: str, default: str, other: str) -> str:
    value = found.get(f'model.{name}', [default])[-1]
    if value not in (default, other):
        raise GitModelError(
            f"'model.{name}' is '{default}' or '{other}', not '{value}'",
            f'set it with "git config --global model.{name} {other}"',
        )
    return value


def _bytes(text: str) -> int:
    size = _SIZE.fullmatch(text)
    if size is None:
        raise GitModelError(
            f"'model.materializeThreshold' is no number of bytes: '{text}'",
            'set it with "git config --global model.materializeThreshold 1g"',
        )
    return int(size[1]) * _UNITS[size[2].lower()]
