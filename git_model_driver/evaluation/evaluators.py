"""Evaluators: what says how good a model is, and how it is to be asked.

``[model-eval "name"]`` in ``.gitmodel`` of the worktree (of HEAD where there is none),
then in git's configuration; what comes later wins, for each key. What a repository's
own file wants to run needs permission.
"""
from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import NamedTuple
from typing import Optional

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import RuleError
from git_model_driver.core.errors import UsageError
from git_model_driver.git import run
from git_model_driver.git.repository import Repository

FILE = '.gitmodel'
_RUNS = ('command', 'python', 'interpreter')
_SPLITS = ('plain', 'stratified', 'grouped')
_WORDS = {'direction': ('max', 'min'), 'split': _SPLITS, 'fit': ('true', 'false')}
_KEYS = (
    *_RUNS, *_WORDS, 'metric', 'folds', 'repeats', 'seed', 'timeout', 'path',
    'environment', 'depends',
)
_TIME = re.compile(r'([0-9]+(?:\.[0-9]+)?)([smh]?)')
_LARGE = 64 << 20
_SECONDS = {'': 1, 's': 1, 'm': 60, 'h': 3600}
_LESS_IS_BETTER = re.compile(
    r'(^|[._/-])(loss|nll|perplexity|ppl|error|err|wer|cer|rmse|mse|mae)\b', re.I,
)


class Evaluator(NamedTuple):
    """How a model is evaluated.

    Either ``command``, a line for sh with {path} {commit} {fold} {folds} {seed} {out},
    or ``python``, ``module:function``. ``fit``: something is fitted on the other folds.
    ``trusted``: what is run does not come from the repository's own file.
    """

    name: str
    command: str = ''
    python: str = ''
    interpreter: str = ''
    metric: str = ''
    direction: str = ''
    folds: int = 5
    repeats: int = 1
    seed: int = 0
    timeout: Optional[float] = None
    split: str = 'plain'
    fit: bool = False
    path: str = ''
    environment: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    trusted: bool = False

    @property
    def text(self) -> str:
        """What is run, in one line: what permission is asked for."""
        if self.command:
            return self.command
        by = f' (by {self.interpreter})' if self.interpreter else ''
        return f'python {self.python}{by}'

    @property
    def is_per_fold(self) -> bool:
        """Whether a command is to be called for each fold."""
        return '{fold}' in self.command or 'MODEL_FOLD' in self.command

    def less_is_better(self, metric: str) -> bool:
        """Raises RuleError where that is not said and the name is that of a loss."""
        if not self.direction and _LESS_IS_BETTER.search(metric):
            raise RuleError(
                f"'{metric}' sounds as if less of it were better, which is not said",
                f'say it in {FILE}: direction = min (or max), below '
                f'[model-eval "{self.name}"], or with --direction',
            )
        return self.direction == 'min'

    def identity(self, top: Path) -> str:
        """Of all that a result depends on besides the model, fold and seed: 64 digits.

        Files that the command names are a part of it, and those that ``depends``
        lists; so are environment variables that ``environment`` lists.
        """
        named = {*self.depends, *self._words()}
        known = {name: _sha256(top / name) for name in named if _inside(top, name)}
        variables = {name: os.environ.get(name) for name in self.environment}
        said = json.dumps([self.text, known, variables], sort_keys=True)
        return hashlib.sha256(said.encode('utf-8', 'surrogatepass')).hexdigest()

    def _words(self) -> set[str]:
        if self.python:
            return {f'{self.python.partition(":")[0].replace(".", "/")}.py'}
        try:
            words = shlex.split(self.command)
        except ValueError:
            words = self.command.split()
        return set(words) | {word.partition('=')[2] for word in words}


def _inside(top: Path, name: str) -> bool:
    try:
        return bool(name) and (top / name).is_file()
    except (OSError, ValueError):
        return False


def _sha256(file: Path) -> str:
    """Of a small file's bytes; a large one, data most likely, is told by its time."""
    status = file.stat()
    if status.st_size > _LARGE:
        return f'{status.st_size} bytes, {status.st_mtime_ns}'
    digest = hashlib.sha256()
    with open(file, 'rb') as opened:
        while piece := opened.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def seconds(text: str) -> float:
    """``90``, ``90s``, ``15m``, ``2h``. Raises ValueError."""
    found = _TIME.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise ValueError(f"'{text}' is no time: say 90, 15m or 2h")
    return float(found[1]) * _SECONDS[found[2]]


def find(name: str | None, repository: Repository) -> Evaluator:
    """The evaluator of that name, or the only one. Raises RuleError and UsageError."""
    known = load(repository)
    if name is None and len(known) == 1:
        name, = known
    if name is not None and name in known:
        return known[name]
    if name is None:
        what = 'several evaluators are configured' if known else 'there is no evaluator'
        raise UsageError(what, *_how(known))
    close = difflib.get_close_matches(name, known, 1)
    raise UsageError(
        f"there is no evaluator '{name}'",
        *([f'did you mean "--evaluator {close[0]}"?'] if close else _how(known)),
    )


def _how(known: Iterable[str]) -> list[str]:
    names = ', '.join(f"'{name}'" for name in sorted(known))
    if names:
        return [f'say which with --evaluator: {names}']
    return [
        'give one: --command "python eval.py {path} --fold {fold} --folds {folds}"',
        f'or write it into {FILE}, below [model-eval "name"], as command = ...',
    ]


def load(repository: Repository) -> dict[str, Evaluator]:
    """All that are configured. Raises RuleError."""
    found: dict[str, dict[str, list[str]]] = {}
    own: set[tuple[str, str]] = set()       # keys that the user's configuration has
    for trusted, records in ((False, _of_file(repository)), (True, _of_config())):
        fresh: set[tuple[str, str]] = set()
        for name, key, value in records:
            values = found.setdefault(name, {}).setdefault(key, [])
            if trusted and (name, key) not in fresh:
                values.clear()
                fresh.add((name, key))
            values.append(value)
        own |= fresh
    return {
        name: _evaluator(name, values, all(
            (name, key) in own for key in _RUNS if key in values
        ))
        for name, values in found.items()
    }


def _of_file(repository: Repository) -> Iterable[tuple[str, str, str]]:
    where = ['--blob', f'HEAD:{FILE}']
    if repository.top and (repository.top / FILE).is_file():
        where = ['--file', str(repository.top / FILE)]
    elif run.attempt('cat-file', '-e', where[1]).code:
        return []
    listed = run.attempt('config', *where, '-z', '--list')
    if listed.code:
        said = listed.err.decode(errors='replace').partition('\n')[0]
        raise RuleError(
            f'{FILE} cannot be read: {said.removeprefix("fatal: ")}',
            f'see the line with "git config --file {FILE} --list"',
        )
    return _records(listed.out)


def _of_config() -> Iterable[tuple[str, str, str]]:
    return _records(run.output('config', '-z', '--list'))


def _records(data: bytes) -> Iterable[tuple[str, str, str]]:
    for record in data.split(b'\0')[:-1]:
        name, equals, value = os.fsdecode(record).partition('\n')
        if name.startswith('model-eval.'):
            section, _, key = name.removeprefix('model-eval.').rpartition('.')
            yield section, key, value if equals else 'true'


def _evaluator(
    name: str, values: Mapping[str, Sequence[str]], trusted: bool,
) -> Evaluator:
    for key in values:
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, 1)
            raise RuleError(
                f"evaluator '{name}': unknown key '{key}'",
                f"did you mean '{close[0]}'?" if close else
                'known are ' + ', '.join(_KEYS),
            )
    last = {key: each[-1] for key, each in values.items()}
    for key, words in _WORDS.items():
        if last.get(key, words[0]) not in words:
            raise _wrong(name, key, last[key], ' or '.join(words))
    fields: dict[str, Any] = {
        key: last[key] for key in (*_RUNS, 'metric', 'direction', 'split', 'path')
        if key in last
    }
    for key, low in (('folds', 1), ('repeats', 1), ('seed', 0)):
        if key in last:
            fields[key] = _number(name, key, last[key], low)
    for key in ('environment', 'depends'):
        fields[key] = tuple(w for value in values.get(key, ()) for w in value.split())
    try:
        limit = seconds(last['timeout']) if 'timeout' in last else None
    except ValueError:
        raise _wrong(name, 'timeout', last['timeout'], '90, 15m or 2h') from None
    fit = last.get('fit') == 'true'
    return checked(
        Evaluator(name, timeout=limit, fit=fit, trusted=trusted, **fields),
    )


def checked(made: Evaluator) -> Evaluator:
    """The evaluator. Raises RuleError unless it says what is to be run."""
    if bool(made.command) == bool(made.python):
        both = 'has a command and a Python function' if made.command else (
            'says neither a command nor a Python function')
        raise RuleError(
            f"evaluator '{made.name}' {both}",
            'set one of: command = python eval.py {path}, python = module:function',
        )
    if made.python and not re.fullmatch(r'[\w.]+:\w+', made.python):
        raise _wrong(made.name, 'python', made.python, 'module:function')
    return made


def _number(name: str, key: str, value: str, low: int) -> int:
    if not re.fullmatch('[0-9]{1,9}', value) or int(value) < low:
        raise _wrong(name, key, value, f'a whole number, {low} or more')
    return int(value)


def _wrong(name: str, key: str, value: str, wanted: str) -> GitModelError:
    return RuleError(
        f"evaluator '{name}': '{key}' cannot be '{value}'", f'it is {wanted}',
    )
