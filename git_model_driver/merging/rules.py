"""Which method and parameters apply to which tensor.

Rules come from ``.gitmodel`` in HEAD, then git's own configuration, then
``git -c``; ``[model]`` is for all tensors, ``[model "<glob>"]`` for those whose
name matches (``*`` crosses dots). The last match wins, for each key by itself.
"""
from __future__ import annotations

import difflib
import fnmatch
import os
import re
from collections.abc import Iterable
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from git_model_driver.core.errors import RuleError
from git_model_driver.git import run
from git_model_driver.git.operation import MERGE
from git_model_driver.git.operation import current_option
from git_model_driver.merging.methods import METHODS
from git_model_driver.merging.methods import PICKS

FILE = '.gitmodel'
_NAMES = ('merge', 'apply')
_NUMBERS = frozenset().union(*(m.PARAMETERS for m in METHODS.values()))
_NUMBER = re.compile(r'-?[0-9]+(\.[0-9]+)?([eE]-?[0-9]{1,2})?|[0-9]+/0*[1-9][0-9]*')
_SECTION = re.compile(r'\s*\[\s*model(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]', re.IGNORECASE)


class Rule(NamedTuple):
    """``key = value`` for the tensors that match ``glob``; ``origin`` says where."""

    glob: str
    key: str
    value: str
    origin: str


class Choice(NamedTuple):
    """What the rules say for one tensor.

    ``explicit`` is False where no rule names the method: it is the default.
    """

    method: str
    parameters: dict[str, Fraction]
    explicit: bool
    origin: str


class Rules:
    """The rules of a repository for one operation (MERGE or APPLY)."""

    def __init__(self, rules: Sequence[Rule], operation: str) -> None:
        for rule in rules:
            check(rule)
        self._rules = rules
        self._operation = operation

    def choose(self, name: str) -> Choice:
        """The method for the tensor of that name. Raises RuleError."""
        last = {
            rule.key: rule for rule in self._rules
            if fnmatch.fnmatchcase(name, rule.glob)
        }
        rule = last.get('merge' if self._operation == MERGE else 'apply')
        default = 'linear' if self._operation == MERGE else 'apply'
        method = rule.value if rule else default
        parameters = {
            key: Fraction(found.value) for key, found in last.items()
            if method in METHODS and key in METHODS[method].PARAMETERS
        }
        if method in METHODS:
            _check_together(method, parameters, last.values())
        return Choice(method, parameters, rule is not None, rule.origin if rule else '')


def _check_together(
    method: str, parameters: dict[str, Fraction], rules: Iterable[Rule],
) -> None:
    try:
        METHODS[method].check(parameters)
    except ValueError as e:
        where = ', '.join(sorted({r.origin for r in rules if r.key in parameters}))
        raise RuleError(f"{where}: method '{method}': {e}") from None


def check(rule: Rule) -> None:
    """Raises RuleError for a rule that cannot be obeyed."""
    if rule.key in _NAMES:
        if rule.value not in METHODS and rule.value not in PICKS:
            raise RuleError(
                f"{rule.origin}: unknown method '{rule.value}' for '{rule.glob}'",
                _suggestion(rule.value, (*METHODS, *PICKS)),
            )
    elif rule.key not in _NUMBERS:
        raise RuleError(
            f"{rule.origin}: unknown key '{rule.key}' for '{rule.glob}'",
            _suggestion(rule.key, (*_NAMES, *sorted(_NUMBERS))),
        )
    elif not is_number(rule.value):
        raise RuleError(
            f"{rule.origin}: '{rule.key}' is no number: '{rule.value}'",
            f'write it as in "{rule.key} = 0.5"',
        )
    elif rule.key == 'weight' and not 0 <= Fraction(rule.value) <= 1:
        raise RuleError(
            f"{rule.origin}: 'weight' is theirs' share, 0 to 1, not {rule.value}",
            "for other weights set 'ours-weight' and 'theirs-weight'",
        )


def is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _suggestion(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    if close:
        return f"did you mean '{close[0]}'?"
    return 'known are ' + ', '.join(f"'{k}'" for k in known)


def load(operation: str) -> Rules:
    """The rules in force here. Raises RuleError."""
    return Rules([*_from_head(), *_from_config(), *_from_option()], operation)


def _from_option() -> list[Rule]:
    """``-X ours`` and ``-X theirs``, which git tells no driver."""
    side = current_option()
    return [Rule('*', key, side, f'-X {side}') for key in _NAMES] if side else []


def _from_head() -> list[Rule]:
    name = f'HEAD:{FILE}'
    blob = run.attempt('cat-file', 'blob', name)
    if blob.code:
        return []       # no commit yet, or no such file in it
    listed = run.attempt('config', '--blob', name, '-z', '--list')
    if listed.code:
        said = listed.err.decode(errors='replace').partition('\n')[0]
        said = said.removeprefix('fatal: ').removeprefix('error: ')
        raise RuleError(
            f'{FILE} cannot be read: {said}',
            f'see the line with "git show {name}"',
        )
    text = os.fsdecode(blob.out)
    return list(_rules((_Record('', r) for r in _records(listed.out)), text))


class _Record(NamedTuple):
    origin: str
    text: str


def _records(data: bytes) -> list[str]:
    return [os.fsdecode(record) for record in data.split(b'\0')[:-1]]


def _from_config() -> Iterable[Rule]:
    fields = _records(run.output('config', '-z', '--show-origin', '--list'))
    pairs = zip(fields[::2], fields[1::2])
    return _rules((_Record(origin, text) for origin, text in pairs), '')


def _rules(records: Iterable[_Record], text: str) -> Iterable[Rule]:
    for origin, record in records:
        name, equals, value = record.partition('\n')
        if name.startswith('model.'):
            glob, _, key = name.removeprefix('model.').rpartition('.')
            where = origin.rstrip(':') or f'{FILE}:{find_line(text, glob, key, value)}'
            yield Rule(glob or '*', key, value if equals else 'true', where)


def find_line(text: str, glob: str, key: str, value: str) -> int:
    """The line of a rule in the file's text (git does not tell), or 0."""
    inside, found = False, 0
    for number, line in enumerate(text.splitlines(), 1):
        section = _SECTION.match(line)
        if section:
            inside = re.sub(r'\\(.)', r'\1', section[1] or '') == glob
        elif line.lstrip().startswith('['):
            inside = False
        head, _, tail = line.partition('=')
        if inside and head.rpartition(']')[2].strip().lower() == key:
            found = number
            if tail.partition('#')[0].strip(' \t"') == value:
                return number
    return found
