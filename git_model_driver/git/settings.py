"""What ``git model install`` writes to Git's configuration, as data.

Commands use the bare name ``git-model``, so that they survive a moved virtual
environment and are the same on every machine; ``~/.local/bin`` is searched too,
because programs with a window often run git without it on PATH. PYTHONPATH is unset:
with "." in it, a repository's own files would be imported, on every ``git status``.
"""
from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import run

_FIND = (
    'unset PYTHONPATH PYTHONHOME PYTHONSTARTUP; PATH="$PATH:$HOME/.local/bin"; '
    'command -v git-model >/dev/null'
)
_MISSING = (
    "error: 'git-model' is not on PATH; this repository keeps its models with it"
)
_GET = 'hint: get it with: pip install git-model-driver && git model install'
_WITHOUT = (
    'hint: to go on without the weights: git -c filter.model.process= '
    '-c filter.model.clean= -c filter.model.smudge= -c filter.model.required=false '
    '<command>'
)
_SAY = f'printf >&2 "%s\\n" "{_MISSING}" "{_GET}"'
_FILTER = f'{_FIND} || {{ {_SAY} "{_WITHOUT}"; exit 1; }}; exec git-model'
_TEXT_MERGE = 'exec git merge-file --marker-size=%L %A %O %B'
_MERGE = f'{_FIND} || {{ {_SAY}; {_TEXT_MERGE}; }}; exec git-model merge-driver'
_MERGE_JSON = f'{_FIND} || {{ {_SAY}; {_TEXT_MERGE}; }}; exec git-model merge-json'
_SIDES = '-- %O %A %B %L %P'

SETTINGS = {
    'filter.model.process': f'{_FILTER} filter-process',
    'filter.model.clean': f'{_FILTER} clean -- %f',
    'filter.model.smudge': f'{_FILTER} smudge -- %f',
    'filter.model.required': 'true',
    'merge.model.name': 'models, tensor by tensor',
    'merge.model.driver': f'{_MERGE} {_SIDES} %S %X %Y',
    'merge.model.recursive': 'model-virtual',
    'merge.model-virtual.name': 'common ancestors of models',
    'merge.model-virtual.driver': f'{_MERGE} --virtual {_SIDES}',
    'merge.model-json.name': 'JSON files beside a model, key by key',
    'merge.model-json.driver': f'{_MERGE_JSON} {_SIDES} %S %X %Y',
    # An inner merge with markers in it would be no JSON.
    'merge.model-json.recursive': 'binary',
    'pull.octopus': 'model',
    'diff.model.textconv': f'{_FIND} || exec cat -- "$1"; exec git-model textconv --',
    'diff.model.xfuncname': '^# git-model summary: (.*)$\n^tensor ([^ ]+)',
    'diff.model.wordRegex': '[^ ]+',
}
# Somebody's own value stays: models are then merged two at a time only.
OPTIONAL = frozenset({'pull.octopus'})
# Values that earlier versions wrote: replaced without a question.
OLDER: dict[str, Sequence[str]] = {}


class Origin(NamedTuple):
    """A setting in force: its value, and the file it comes from."""

    value: str
    origin: str


def get(scope: Sequence[str], key: str) -> str | None:
    """The value in one of Git's configuration files, None where it is unset."""
    result = run.attempt('config', *scope, '-z', '--get', key)
    return os.fsdecode(result.out[:-1]) if result.code == 0 else None


def is_ours(key: str, value: str) -> bool:
    return value == SETTINGS[key] or value in OLDER.get(key, ())


def write(scope: Sequence[str], force: bool) -> None:
    """Set everything. Raises GitModelError where something else is set, first."""
    foreign = set()
    for key in SETTINGS:
        value = get(scope, key)
        if value is None or is_ours(key, value) or force:
            continue
        if key in OPTIONAL:
            foreign.add(key)
        else:
            raise GitModelError(
                f"'{key}' is already set to '{value[:60]}'",
                'replace it with "git model install --force"',
            )
    for key, value in SETTINGS.items():
        if key not in foreign:
            run.output('config', *scope, '--replace-all', key, value)


def remove(scope: Sequence[str], dry: bool) -> tuple[list[str], list[str]]:
    """Unset what is ours; the keys that were removed, and those left alone.

    With ``dry`` nothing is changed.
    """
    removed, left = [], []
    for key in SETTINGS:
        value = get(scope, key)
        if value is None:
            continue
        if is_ours(key, value):
            if not dry:
                run.output('config', *scope, '--unset-all', key)
            removed.append(key)
        else:
            left.append(key)
    return removed, left


def in_force(key: str) -> Origin | None:
    """What git would use here, and where it is set."""
    result = run.attempt('config', '-z', '--show-origin', '--get', key)
    if result.code:
        return None
    origin, value = os.fsdecode(result.out).split('\0')[:2]
    return Origin(value, origin)
