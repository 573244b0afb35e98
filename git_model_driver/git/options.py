"""Settings below ``model.`` in Git's configuration that are no merge rules."""
from __future__ import annotations

import os
from collections.abc import Sequence

from git_model_driver.git import run
from git_model_driver.git import settings

CHECKOUT = (
    'model.materialize', 'model.materializethreshold', 'model.missing',
    'model.fetchinclude', 'model.fetchexclude',
)
# In lower case, as git lists them.
NAMES = (
    *CHECKOUT, 'model.pruneexpire', 'model.pruneremotetocheck',
    'model.concurrenttransfers',
)


def get(name: str) -> str | None:
    return settings.get((), f'model.{name}')


def several(names: Sequence[str]) -> dict[str, list[str]]:
    """The values of some, all asked for at once."""
    listed = run.attempt('config', '-z', '--get-regexp', f'^({"|".join(names)})$')
    found: dict[str, list[str]] = {}
    for record in os.fsdecode(listed.out).split('\0'):
        key, _, value = record.partition('\n')
        found.setdefault(key, []).append(value)
    return found
