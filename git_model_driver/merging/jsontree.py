"""Three JSON documents become one, key by key.

Objects are merged by key, everything else is taken whole; ours' order of keys is
kept. What cannot be settled stays in the tree as a Conflict.
"""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from git_model_driver.core.documents import LISTED
from git_model_driver.merging.jsontext import Number

MISSING: Any = object()
# PEFT writes these from a set, in another order each time.
_SETS = frozenset({'target_modules', 'modules_to_save', 'exclude_modules'})


class Conflict(NamedTuple):
    """A value on the three sides, MISSING where a side has none."""

    base: Any
    ours: Any
    theirs: Any

    @property
    def reason(self) -> str:
        if self.ours is MISSING:
            return 'deleted in ours, changed in theirs'
        if self.theirs is MISSING:
            return 'changed in ours, deleted in theirs'
        done = 'added it' if self.base is MISSING else 'changed it'
        return f'both sides {done}'


def merge(base: Any, ours: Any, theirs: Any, key: str = '') -> Any:
    """The merged value, MISSING, or a Conflict; ``key`` is what it stands under."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return _objects(base if isinstance(base, dict) else {}, ours, theirs)
    if _same(ours, base, key):
        return ours if _same(theirs, base, key) else theirs
    if _same(theirs, base, key) or _same(ours, theirs, key):
        return ours
    if key in _RESOLVED and MISSING not in (base, ours, theirs):
        try:
            return _RESOLVED[key](base, ours, theirs)
        except (ValueError, TypeError, AttributeError):
            pass
    return Conflict(base, ours, theirs)


def _objects(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any],
) -> dict[str, Any]:
    merged = {}
    for key in _keys(ours, theirs):
        was, one, other = (s.get(key, MISSING) for s in (base, ours, theirs))
        value = merge(was, one, other, key)
        if value is not MISSING:
            merged[key] = value
    return merged


def _keys(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Ours, each of theirs' behind the one it follows there; sorted where ours is."""
    behind: dict[str | None, list[str]] = {}
    last = None
    for key in theirs:
        if key in ours:
            last = key
        else:
            behind.setdefault(last, []).append(key)
    keys, waiting = [], behind.get(None, [])
    for key in ours:
        if key in theirs:
            keys += waiting
            waiting = behind.get(key, [])
        keys.append(key)
    keys += waiting
    is_sorted = len(ours) > 1 and list(ours) == sorted(ours) and (
        not any(key.startswith(LISTED) for key in ours)
    )
    return sorted(keys) if is_sorted else keys


def _same(one: Any, other: Any, key: str) -> bool:
    if one is MISSING or other is MISSING:
        return one is other
    if key in _SETS and isinstance(one, list) and isinstance(other, list):
        return all(x in other for x in one) and all(x in one for x in other)
    return bool(one == other)


def _later(base: Any, ours: str, theirs: str) -> str:
    """Of two versions of the library that wrote the file."""
    return max(ours, theirs, key=lambda text: [int(n) for n in text.split('.')[:3]])


def merged_size(base: Number, ours: Number, theirs: Number) -> Number:
    """Bytes of all tensors: what both sides added."""
    return Number(str(int(ours) + int(theirs) - int(base)))


_RESOLVED: dict[str, Callable[[Any, Any, Any], Any]] = {
    'transformers_version': _later,
    'total_size': merged_size,
}


def conflicts(tree: Any, path: str = '') -> Iterator[tuple[str, str]]:
    """Where the conflicts are (``text_config.hidden_size``), and why."""
    if isinstance(tree, Conflict):
        yield path, tree.reason
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from conflicts(value, f'{path}.{key}' if path else key)


def side(tree: Any, i: int) -> Any:
    """The tree as base (0), ours (1) or theirs (2) would settle it."""
    if isinstance(tree, Conflict):
        return tree[i]
    if not isinstance(tree, dict):
        return tree
    settled = ((key, side(value, i)) for key, value in tree.items())
    return {key: value for key, value in settled if value is not MISSING}
