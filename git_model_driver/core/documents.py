"""JSON documents in metadata: lists of named things by their names, and as lines."""
from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

LISTED = '\0'       # before a key: it names an item of a list, whose order counts
_DEEPEST = 40


def keyed(value: Any) -> Any:
    """Lists of things that have different names as objects, in their order.

    A Keras layer has its name in its config.
    """
    if isinstance(value, dict):
        return {key: keyed(item) for key, item in value.items()}
    if isinstance(value, list) and value:
        names = [_name(item) for item in value]
        if all(names) and len(set(names)) == len(names):
            return {f'{LISTED}{n}': keyed(item) for n, item in zip(names, value)}
    return value


def _name(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    inner = item.get('config')
    name = inner.get('name') if isinstance(inner, dict) else item.get('name')
    return name if isinstance(name, str) and name else None


def plain(value: Any) -> Any:
    """Inverse of keyed."""
    if not isinstance(value, dict):
        return value
    items = {key: plain(item) for key, item in value.items()}
    if items and all(key.startswith(LISTED) for key in items):
        return list(items.values())
    return items


def flattened(text: str) -> list[tuple[str, str]] | None:
    """Each value of an object by its path (``layers.dense.units``), as JSON.

    None for what is no object, or too deep for that.
    """
    try:
        value = keyed(json.loads(text))
        return list(_flat(value, '', 0)) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def _flat(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        raise ValueError('too deep')
    if isinstance(value, dict) and value:
        for key, item in value.items():
            name = key.removeprefix(LISTED)
            yield from _flat(item, f'{path}.{name}' if path else name, depth + 1)
    else:
        yield path, json.dumps(value, ensure_ascii=False, separators=(',', ':'))
