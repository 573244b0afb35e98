"""What ``git model install`` writes to Git's configuration, as data.

Commands use the bare name ``git-model``, so that they survive a moved virtual
environment and are the same on every machine; ``~/.local/bin`` is searched too,
because programs with a window often run git without it on PATH. PYTHONPATH is unset:
with "." in it, a repository's own files would be imported, on every ``git status``.
"""
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import configfile
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

# A tensor's line in a summary: its name up to the first part that is all digits; what
# the columns of a summary are; a tensor's line in a manifest. One line, for there are
# programs that read "git config --list" by lines (git filter-repo).
_HEADINGS = (
    '^(([^ ./]*[^ ./0-9][^ ./]*[./])*[0-9]+)[./ ]|name dtype shape oid .*|'
    '^tensor [^ ]+'
)

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
    'diff.model.xfuncname': _HEADINGS,
    'diff.model.wordRegex': '[^ ]+',
}
_TRACKED = 'test -n "$(git ls-files ":(attr:filter=model)")"'
_STORE = 'test -d "$(git rev-parse --git-common-dir)/model"'
_UNSENT = (
    f'printf >&2 "%s\\n" "error: \'git-model\' is not on PATH; the weights cannot be '
    f'pushed" "{_GET}" "hint: to push without the weights: git push --no-verify"'
)
_MERGES = (
    'test -f "$(git rev-parse --git-path MERGE_HEAD)" && '
    'test -d "$(git rev-parse --git-path model/merges)"'
)
# For Git 2.54 and newer, in every repository: where there are no models, a push or a
# commit must not notice. "$@" follows each command. No event may be without its
# command, or Git refuses to go on: it is set after it and unset before it.
HOOKS = {
    'hook.model-pre-push.command': (
        f'{_FIND} || {{ {_TRACKED} || exit 0; {_UNSENT}; exit 1; }}; '
        f'{_STORE} || {_TRACKED} || exit 0; exec git-model pre-push'
    ),
    'hook.model-pre-push.event': 'pre-push',
    'hook.model-prepare-commit-msg.command': (
        f'{_MERGES} || exit 0; {_FIND} || exit 0; '
        'note() { git-model prepare-commit-msg "$@" || :; }; note'
    ),
    'hook.model-prepare-commit-msg.event': 'prepare-commit-msg',
}
# Somebody's own value stays: models are then merged two at a time only.
OPTIONAL = frozenset({'pull.octopus'})
_ALL = {**SETTINGS, **HOOKS}
# Values that earlier versions wrote: replaced without a question.
OLDER: dict[str, Sequence[str]] = {
    'diff.model.xfuncname': (
        '^# git-model summary: (.*)$\n^tensor ([^ ]+)',
        '^# git-model summary: (.*)$\n^tensor ([^ ]+)\n'
        '^(([^ ./]*[^ ./0-9][^ ./]*[./])*[0-9]+)[./ ]',
    ),
}


class Origin(NamedTuple):
    """A setting in force: its value, and the file it comes from."""

    value: str
    origin: str


def get(scope: Sequence[str], key: str) -> str | None:
    """The value in one of Git's configuration files, None where it is unset."""
    result = run.attempt('config', *scope, '-z', '--get', key)
    return os.fsdecode(result.out[:-1]) if result.code == 0 else None


def count(key: str, scope: Sequence[str] = ()) -> int:
    """How often it is set: in all of Git's configuration files, or in one."""
    return run.attempt('config', *scope, '-z', '--get-all', key).out.count(b'\0')


def is_ours(key: str, value: str) -> bool:
    return value == _ALL[key] or value in OLDER.get(key, ())


def has_hooks() -> bool:
    """Whether this Git runs hooks that its configuration names: 2.54 and newer."""
    found = re.match(r'git version (\d+)\.(\d+)', run.text('version'))
    return found is not None and (int(found[1]), int(found[2])) >= (2, 54)


def write(scope: Sequence[str], force: bool, hooks: bool) -> None:
    """Set everything. Raises GitModelError where something else is set, first."""
    wanted = {**SETTINGS, **(HOOKS if hooks else {})}
    foreign = set()
    for key in wanted:
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
    configfile.prepare(scope)
    for key, value in wanted.items():
        if key not in foreign:
            run.output('config', *scope, '--replace-all', key, value)


def remove(scope: Sequence[str], dry: bool) -> tuple[list[str], list[str]]:
    """Unset what is ours; the keys that were removed, and those left alone.

    With ``dry`` nothing is changed.
    """
    removed: list[str] = []
    left: list[str] = []
    for key in _ALL:
        value = get(scope, key)
        if value is not None:
            (removed if is_ours(key, value) else left).append(key)
    if removed and not dry:
        configfile.unset(scope, removed)
    return removed, left


def in_force(key: str) -> Origin | None:
    """What git would use here, and where it is set."""
    result = run.attempt('config', '-z', '--show-origin', '--get', key)
    if result.code:
        return None
    origin, value = os.fsdecode(result.out).split('\0')[:2]
    return Origin(value, origin)
