"""git-merge-model: the merge strategy for several heads at once.

Git runs it for ``git merge a b c`` (pull.octopus = model) and ``git merge -s model``,
as ``git-merge-model [--<key>=<value>...] <base>... -- HEAD <commit>...``. Exit code 2
makes git put everything back as it was.
"""
from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_model_driver.cli.main import tell
from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.git import octopus
from git_model_driver.git import repository as repositories
from git_model_driver.git import run
from git_model_driver.git.operation import MERGE
from git_model_driver.merging import record
from git_model_driver.merging.keys import Rule
from git_model_driver.merging.merge import Merged
from git_model_driver.merging.octopus import Heads
from git_model_driver.merging.octopus import merge_model
from git_model_driver.merging.rulefiles import load
from git_model_driver.merging.rules import Rules
from git_model_driver.render import report
from git_model_driver.store.places import Places
from git_model_driver.transfer.locate import store_of

_CANNOT = 2
_SIDES = ('ours', 'theirs')


class Call(NamedTuple):
    options: Sequence[str]      # as -X gives them, without dashes
    bases: Sequence[str]
    heads: Sequence[str]        # HEAD first


def main(argv: Sequence[str] | None = None) -> int:
    try:
        call = _parse(list(sys.argv[1:] if argv is None else argv))
        if len(call.heads) == 2:
            return _delegate_pair(call)
        return _octopus(call)
    except GitModelError as e:
        print(e, file=sys.stderr)
    except Exception as e:
        tell(e)
    return _CANNOT


def _parse(arguments: list[str]) -> Call:
    options = [a[2:] for a in arguments if a.startswith('--') and a != '--']
    plain = [a for a in arguments if not a.startswith('--') or a == '--']
    if '--' not in plain or len(plain) - plain.index('--') < 3:
        raise UsageError(
            'this is a merge strategy, for git to run',
            'use it as in: git merge -s model -X weights=0.5,0.3,0.2 a b',
        )
    at = plain.index('--')
    return Call(options, plain[:at], plain[at + 1:])


def _rules_of(options: Sequence[str]) -> list[Rule]:
    """``-X key=value`` as rules for all tensors."""
    rules = []
    for option in options:
        key, equals, value = option.partition('=')
        if option in _SIDES:
            key, value = 'merge', option
        elif not equals:
            value = 'true'
        key = 'merge' if key == 'method' else key
        rules.append(Rule('', key, value, f'-X {option}'))
    return rules


def _delegate_pair(call: Call) -> int:
    """Two heads are git's own business; the rules reach its driver as settings."""
    rules = [r for r in _rules_of(call.options) if r.origin[3:] not in _SIDES]
    Rules(rules, MERGE)
    known = int(os.environ.get('GIT_CONFIG_COUNT') or 0)
    os.environ['GIT_CONFIG_COUNT'] = str(known + len(rules))
    for i, rule in enumerate(rules, known):
        os.environ[f'GIT_CONFIG_KEY_{i}'] = f'model.{rule.key}'
        os.environ[f'GIT_CONFIG_VALUE_{i}'] = rule.value
    strategy = 'recursive'
    for option in call.options:
        if option in _SIDES:
            strategy = f'recursive-{option}'
    run.become(f'merge-{strategy}', *call.bases, '--', *call.heads)


def _octopus(call: Call) -> int:
    heads = [_commit(head) for head in call.heads]
    rules = load(MERGE)
    rules = Rules([*rules.rules, *_rules_of(call.options)], MERGE)
    scratch = repositories.find().store_root / 'tmp'    # swept if we are killed
    Places(scratch.parent).folder(scratch)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        index = octopus.Index(Path(folder))
        folded = index.fold(heads)
        if folded.models:
            return _fold(folded, index, heads, rules)
    return _built_in(call)      # it takes this process: the folder is gone by then


def _fold(
    folded: octopus.Folded, index: octopus.Index, heads: Sequence[str], rules: Rules,
) -> int:
    if not octopus.is_clean():
        return _refuse('your local changes would be overwritten by the merge')
    if folded.failure is not None:
        return _refuse(f'these cannot be merged all at once: {folded.failure}')
    return _models(index, sorted(folded.models), heads, rules)


def _built_in(call: Call) -> int:
    run.become('merge-octopus', *call.bases, '--', *call.heads)


def _models(
    index: octopus.Index, paths: Sequence[str], heads: Sequence[str], rules: Rules,
) -> int:
    store = store_of(repositories.find())
    known = Heads(heads, _labels(heads), octopus.common_ancestor(heads))
    conflicts = False
    for path in paths:
        merged = merge_model(path, known, rules, store)
        _say(path, merged, known.labels)
        conflicts |= bool(merged.reasons)
        if not merged.reasons:
            text = manifests.serialize(merged.manifest)
            index.put(path, text, octopus.mode_of(heads, path))
            summary = report.trailer(
                merged.counts, 0, merged.sample.outcome(), merged.ways,
                rules.has_others, known.labels,
            )
            record.note(path, text, summary)
    if conflicts:
        return _refuse('models are in conflict')
    tree = index.write_tree()
    refused = octopus.check_out(tree) if tree else 'the index cannot be written'
    return _refuse(refused) if refused else 0


def _say(path: str, merged: Merged, labels: Sequence[str]) -> None:
    lines = report.merged(
        path, merged.counts, {}, merged.notes, merged.sample.outcome(), labels,
    )
    lines += [f'  {name}: {why}' for name, why in merged.reasons.items()]
    for line in lines:
        print(words.printable(line), file=sys.stderr)


def _refuse(why: str) -> int:
    print(
        f'error: {why}\n'
        'hint: merge them one after the other, where conflicts can be settled: '
        'git merge <branch>',
        file=sys.stderr,
    )
    return _CANNOT


def _commit(head: str) -> str:
    return run.text('rev-parse', '--verify', f'{head}^{{commit}}')


def _labels(heads: Sequence[str]) -> list[str]:
    """HEAD, and what the user called the others."""
    names = [os.environ.get(f'GITHEAD_{head}', head[:12]) for head in heads[1:]]
    return ['HEAD', *names]
