"""``model.materialize``: does git write models into the worktree, or do we, later?

Of Git's own configuration only: files of a repository have no say in it.
"""
from __future__ import annotations

import os
import re
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import run

KEYS = ('model.materialize', 'model.materializethreshold')
_UNITS = {'': 1, 'k': 1 << 10, 'm': 1 << 20, 'g': 1 << 30}
_SIZE = re.compile(r'([0-9]+)([kmg]?)', re.IGNORECASE)


class Materialize(NamedTuple):
    """Whether models of at least ``threshold`` bytes are written later."""

    later: bool
    threshold: int


def setting() -> Materialize:
    """Raises GitModelError for a value that there is not."""
    listed = run.attempt('config', '-z', '--get-regexp', f'^({"|".join(KEYS)})$')
    pairs = [record.partition('\n') for record in os.fsdecode(listed.out).split('\0')]
    found = {key: value for key, _, value in pairs}
    when, threshold = (found.get(key) for key in KEYS)
    if when not in (None, 'now', 'later'):
        raise GitModelError(
            f"'model.materialize' is 'now' or 'later', not '{when}'",
            'set it with "git config --global model.materialize later"',
        )
    return Materialize(when == 'later', _bytes('0' if threshold is None else threshold))


def _bytes(text: str) -> int:
    size = _SIZE.fullmatch(text)
    if size is None:
        raise GitModelError(
            f"'model.materializeThreshold' is no number of bytes: '{text}'",
            'set it with "git config --global model.materializeThreshold 1g"',
        )
    return int(size[1]) * _UNITS[size[2].lower()]
