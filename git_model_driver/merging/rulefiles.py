"""Where rules stand: ``.gitmodel`` in HEAD, then git's configuration, then options."""
from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from git_model_driver.core.errors import RuleError
from git_model_driver.git import options
from git_model_driver.git import run
from git_model_driver.git.operation import MERGE
from git_model_driver.git.operation import current_option
from git_model_driver.merging.keys import FILE
from git_model_driver.merging.keys import NAMES
from git_model_driver.merging.keys import Rule
from git_model_driver.merging.rules import Rules

_SECTION = re.compile(r'\s*\[\s*model(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]', re.IGNORECASE)


def load(operation: str) -> Rules:
    """The rules in force here. Raises RuleError."""
    return Rules([*_from('HEAD'), *_from_config(), *_from_option()], operation)


def of_commit(commit: str) -> Rules:
    """The rules for merges that a commit has, and no others. Raises RuleError."""
    return Rules(_from(commit), MERGE)


def _from_option() -> list[Rule]:
    """``-X ours`` and ``-X theirs``, which git tells no driver."""
    side = current_option()
    return [Rule('', key, side, f'-X {side}') for key in NAMES] if side else []


def _from(commit: str) -> list[Rule]:
    name = f'{commit}:{FILE}'
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
    pairs = map(_Record, fields[::2], fields[1::2])
    keys = ((pair, pair.text.partition('\n')[0]) for pair in pairs)
    return _rules((pair for pair, key in keys if key not in options.NAMES), '')


def _rules(records: Iterable[_Record], text: str) -> Iterable[Rule]:
    for origin, record in records:
        name, equals, value = record.partition('\n')
        if name.startswith('model.'):
            glob, _, key = name.removeprefix('model.').rpartition('.')
            where = origin.rstrip(':') or f'{FILE}:{find_line(text, glob, key, value)}'
            yield Rule(glob, key, value if equals else 'true', where)


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
