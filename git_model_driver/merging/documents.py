"""Metadata that is a JSON document (a Keras config), merged key by key.

A list of things with names (layers) is merged by the names; every other value is
taken whole. Both sides may add to such a list, but not at one place: what came
first would be a guess.
"""
from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from git_model_driver.core.documents import LISTED
from git_model_driver.core.documents import keyed
from git_model_driver.core.documents import plain
from git_model_driver.merging import jsontree
from git_model_driver.merging.units.base import Unsettled


def merge(base: str | None, versions: Sequence[str | None]) -> str:
    """Raises Unsettled, with the first key that both sides changed."""
    texts = (base or '{}', *versions)
    if len(versions) != 2 or not all(text and text.startswith('{') for text in texts):
        raise Unsettled('both sides changed it')
    try:
        documents = [keyed(json.loads(str(text))) for text in texts]
    except (ValueError, RecursionError):
        raise Unsettled('both sides changed it') from None
    _check_places(documents, '')
    tree = jsontree.merge(*documents)
    for path, why in jsontree.conflicts(tree):
        raise Unsettled(f'{path.replace(LISTED, "")}: {why}')
    return json.dumps(
        plain(tree), ensure_ascii=False, separators=(',', ':'), sort_keys=True,
    )


def _check_places(sides: Sequence[Any], path: str) -> None:
    """Raises Unsettled where ours and theirs both added to a list at one place."""
    base, ours, theirs = (side if isinstance(side, dict) else {} for side in sides)
    both = _places(base, ours) & _places(base, theirs)
    if both and set(ours) != set(theirs):
        raise Unsettled(f'{path}: both sides added to it at one place')
    for key in ours.keys() & theirs.keys():
        below = [side.get(key) for side in (base, ours, theirs)]
        _check_places(below, f'{path}.{key}'.replace(LISTED, '').lstrip('.'))


def _places(base: dict[str, Any], side: dict[str, Any]) -> set[str]:
    """Behind what of base something new of the side stands, in what was a list."""
    places, last = set(), ''
    for key in side:
        if key in base:
            last = key
        elif key.startswith(LISTED):
            places.add(last)
    return places
