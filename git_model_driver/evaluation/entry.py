"""Calls a Python entry point, ``module:function``, in a process of its own.

Run as a program, by whatever interpreter has what the function needs: so it imports
nothing but the standard library. It is told on standard input what is wanted, and
writes JSON to the file that MODEL_OUT names.
"""
from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any


def main(name: str) -> None:
    module_name, _, function_name = name.partition(':')
    module = importlib.import_module(module_name)
    function = getattr(module, function_name)
    asked = json.load(sys.stdin)
    if asked.get('describe'):
        found = _description(module, function)
    else:
        found = _call(function, asked)
    with open(os.environ['MODEL_OUT'], 'w', encoding='utf-8') as file:
        json.dump(found, file, default=_plain)


def _description(module: Any, function: Callable[..., Any]) -> dict[str, Any]:
    """The names it wants, and the examples: a number of them, or what has a length, or
    ``n``, ``labels`` and ``groups``.
    """
    found: dict[str, Any] = {'parameters': list(inspect.signature(function).parameters)}
    if 'test' not in found['parameters']:
        return found
    examples = module.examples()
    if isinstance(examples, dict):
        found.update(examples)
    else:
        found['n'] = examples if isinstance(examples, int) else len(examples)
    known = [found[key] for key in ('labels', 'groups') if found.get(key) is not None]
    found.setdefault('n', len(known[0]) if known else 0)
    return found


def _call(function: Callable[..., Any], asked: dict[str, Any]) -> Any:
    wanted = inspect.signature(function).parameters
    given = {key: value for key, value in asked.items() if key in wanted}
    return function(**given)


def _plain(value: Any) -> Any:
    """NumPy's arrays and numbers, and the like."""
    if hasattr(value, 'tolist'):
        return value.tolist()
    return float(value)


if __name__ == '__main__':
    # Our folder has modules whose names the standard library has, too.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.getcwd(), *(p for p in sys.path if os.path.abspath(p) != here)]
    main(sys.argv[1])
