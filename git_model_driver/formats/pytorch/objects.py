"""The tensors in an unpickled object, by the path to each, and what else it says.

A name is the keys that lead to a tensor, joined by ``/``; the keys of a state dict
keep their dots. What is no tensor is a line: numbers, strings, and lists of them as
JSON, an object by the name of its class under ``<path>@``.
"""
from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Tensor
from git_model_driver.formats.pytorch.pickled import Called
from git_model_driver.formats.pytorch.pickled import Global
from git_model_driver.formats.pytorch.pickled import Storage
from git_model_driver.formats.pytorch.pickled import View

_MOST_OBJECTS = 1 << 20
_DEEPEST = 64
_LONGEST_NAME = 1 << 12
_LONGEST_LINE = 1 << 12
_SCALARS = (str, int, float, bool, type(None))
_PARTS = ('_parameters', '_buffers', '_modules')
_NAMELESS = 'tensor'        # a file that is one tensor

Find = Callable[[str], Extent]      # a storage's bytes by its key


def walk(top: Any) -> tuple[dict[str, View], dict[str, str]]:
    """Every tensor and every other value, each by its path."""
    views: dict[str, View] = {}
    meta: dict[str, str] = {}
    todo: list[tuple[str, int, Any]] = [('', 0, top)]
    seen: set[int] = set()
    while todo:
        path, depth, value = todo.pop()
        if isinstance(value, (View, Storage)):
            views.setdefault(path or _NAMELESS, _viewed(value))
        elif (line := _line(value)) is not None:
            meta.setdefault(path, line)
        elif id(value) not in seen:
            seen.add(id(value))
            if len(seen) > _MOST_OBJECTS or depth > _DEEPEST:
                raise FormatError('pickle: more objects than a model has')
            if isinstance(value, Called):
                meta.setdefault(f'{path}@', f'{value.what.module}.{value.what.name}')
            join, children = '/', _children(value)
            if isinstance(value, Called) and _is_module(value):
                join, children = '.', _parts(value.state)
            below = [(_joined(path, k, join), depth + 1, v) for k, v in children]
            todo.extend(reversed(below))
    return views, meta


def _viewed(value: View | Storage) -> View:
    if isinstance(value, View):
        return value
    return View(value, value.dtype, 0, (value.elements,), (1,))


def _children(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, Called):
        yield from enumerate(value.args)
        yield from value.items
        if value.state is not None:
            state = value.state
            yield from state.items() if isinstance(state, dict) else [('state', state)]
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)


def _is_module(value: Called) -> bool:
    """Whether it is a whole torch.nn.Module, not only its state dict."""
    state = value.state
    return isinstance(state, dict) and all(
        isinstance(state.get(key), dict) for key in _PARTS
    )


def _parts(state: dict[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """What a state dict has, by the same keys, and the options of the module."""
    for key in _PARTS:
        yield from state[key].items()
    for key, value in state.items():
        if isinstance(key, str) and not key.startswith('_') and (
            _line(value) is not None
        ):
            yield key, value


def _joined(path: str, key: Any, join: str) -> str:
    name = key if isinstance(key, str) else str(key) if _is_plain(key) else '?'
    name = f'{path}{join}{name}' if path else name
    if len(name) > _LONGEST_NAME:
        raise FormatError('pickle: a name that never ends')
    return name


def _is_plain(key: Any) -> bool:
    return type(key) in (int, float, bool) or (type(key) is tuple and all(
        type(part) in (int, str) for part in key
    ))


def _line(value: Any) -> str | None:
    """A value as one line, or None: it has others in it."""
    if isinstance(value, Global):
        return f'{value.module}.{value.name}'
    if isinstance(value, (bytes, bytearray)):
        return _short(value.hex())
    if isinstance(value, _SCALARS):
        return _short(json.dumps(value, ensure_ascii=False))
    if isinstance(value, (list, tuple)) and (
        all(isinstance(item, _SCALARS) for item in value)
    ):
        return _short(json.dumps(value, ensure_ascii=False, separators=(',', ':')))
    return '{}' if value == {} else None


def _short(text: str) -> str:
    text.encode()       # no lone surrogates
    if len(text) <= _LONGEST_LINE:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f'{text[:60]}… {len(text)} characters, {digest}'


def tensors(views: dict[str, View], find: Find, big: bool) -> tuple[Tensor, ...]:
    """Where they lie. Raises FormatError for one outside its storage."""
    return tuple(_tensor(name, view, find, big) for name, view in views.items())


def _tensor(name: str, view: View, find: Find, big: bool) -> Tensor:
    extent = find(view.storage.key)
    width = dtypes.byte_length(view.dtype, (1,))
    empty = 0 in view.shape
    last = view.start + sum((n - 1) * s for n, s in zip(view.shape, view.strides))
    if not empty and (last + 1) * width > extent.length:
        raise FormatError(f"pickle: '{name}' lies outside its storage")
    extra = {'endian': 'big'} if big and width > 1 else {}
    plain = empty or _is_contiguous(view)
    if empty:
        extent = Extent(extent.offset, 0)
    elif view.start or not plain or math.prod(view.shape) * width != extent.length:
        extra |= {'bytes': str(extent.length), 'start': str(view.start)}
        if not plain:
            extra['strides'] = ','.join(map(str, view.strides))
    return Tensor(name, view.dtype, view.shape, extent, tuple(sorted(extra.items())))


def _is_contiguous(view: View) -> bool:
    step = 1
    for length, stride in zip(reversed(view.shape), reversed(view.strides)):
        if length != 1 and stride != step:
            return False
        step *= length
    return True
