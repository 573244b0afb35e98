"""Say which rule decides how each tensor of a model is merged.

As "git check-attr" does for attributes. Without a path the rules themselves are
checked: those of .gitmodel in HEAD, of git's configuration, and of "git -c".
"""
from __future__ import annotations

import argparse
import fnmatch
import json
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.model import Entry
from git_model_driver.filters import models
from git_model_driver.filters.filter import Filter
from git_model_driver.git import repository as repositories
from git_model_driver.git import worktree
from git_model_driver.git.operation import APPLY
from git_model_driver.git.operation import MERGE
from git_model_driver.merging.classes import classify
from git_model_driver.merging.rulefiles import load
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.settle import way
from git_model_driver.merging.units.registry import Unit
from git_model_driver.merging.units.registry import find
from git_model_driver.render.amounts import plural


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--json', action='store_true', help='for programs')
    parser.add_argument('path', nargs='?', help='the model, as the index has it')
    parser.add_argument('glob', nargs='*', help='names of tensors (default: all)')


def run(args: argparse.Namespace) -> int:
    repository = repositories.find()
    rules = [load(operation) for operation in (MERGE, APPLY)]
    if args.path is None:
        print(f'{plural(len(rules[0].rules), "rule")}, all of them valid')
        return 0
    found = list(_decided(_entries(args.path, repository), rules, args.glob))
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for one in found:
        print(words.printable(
            f'{one["name"]}  {one["class"]}  merge {_words(one["merge"])}  '
            f'apply {_words(one["apply"])}',
        ))
    return 0


def _entries(path: str, repository: repositories.Repository) -> dict[str, Entry]:
    wanted = worktree.from_top(path, repository)
    with Filter() as filter_:
        for one in models.tracked(repository, filter_):
            if one.path == wanted and one.manifest is not None:
                return dict(one.manifest.tensors)
    raise GitModelError(
        f"'{path}' is no model in the index", 'see them with "git model ls-files"',
    )


def _decided(
    entries: dict[str, Entry], rules: list[Rules], globs: list[str],
) -> Iterator[dict[str, Any]]:
    rules = [each.for_names(entries) for each in rules]
    units = {name: unit for unit in find({}, [entries]) for name in unit.names}
    for name, entry in entries.items():
        if globs and not any(fnmatch.fnmatchcase(name, glob) for glob in globs):
            continue
        yield {
            'name': name, 'class': classify(entry),
            'merge': _choice(units[name], entry, rules[0]),
            'apply': _choice(units[name], entry, rules[1]),
        }


def _choice(unit: Unit, entry: Entry, rules: Rules) -> dict[str, Any]:
    choice = rules.choose(entry.name)
    said = {**choice.parameters, **choice.options}
    return {
        'method': choice.method, 'way': way(unit, entry, choice),
        'parameters': {key: _text(value) for key, value in said.items()},
        'rule': choice.origin or None,
    }


def _text(value: Any) -> str:
    """A parameter as a rule would say it."""
    if isinstance(value, Fraction):
        return f'{float(value):.6g}'
    if isinstance(value, tuple):
        return ','.join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _words(choice: dict[str, Any]) -> str:
    said = [choice['way']]
    said += [f'{key}={value}' for key, value in choice['parameters'].items()]
    return ' '.join([*said, f'({choice["rule"] or "no rule"})'])
