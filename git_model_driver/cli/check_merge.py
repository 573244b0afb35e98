"""Say what merging a commit into HEAD would do to models, and do nothing.

Per tensor that both sides changed: the method or class by which it would be merged
and the rule that says so, or why it would conflict. Exit code 1 if anything would.
"""
from __future__ import annotations

import argparse
import json
from typing import Any

from git_model_driver.core import words
from git_model_driver.git import repository as repositories
from git_model_driver.git.operation import APPLY
from git_model_driver.git.operation import MERGE
from git_model_driver.merging.preview import Preview
from git_model_driver.merging.preview import commits
from git_model_driver.merging.preview import preview
from git_model_driver.merging.rulefiles import load
from git_model_driver.merging.rules import Rules
from git_model_driver.render.amounts import plural
from git_model_driver.transfer.locate import store_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--apply', action='store_true',
                        help='as a rebase or cherry-pick carries changes over')
    parser.add_argument('--json', action='store_true', help='for programs')
    parser.add_argument('--all', action='store_true',
                        help='show tensors that one side changed, too')
    parser.add_argument('revision', help='what would be merged')


def run(args: argparse.Namespace) -> int:
    store = store_of(repositories.find())
    rules = load(APPLY if args.apply else MERGE)
    found = list(preview(commits(args.revision), rules, store))
    if args.json:
        print(json.dumps([_as_data(one, rules) for one in found], indent=2))
    else:
        for one in found:
            _show(one, rules, args)
        if not found:
            print('no model was changed on both sides')
    return 1 if any(one.merged.reasons for one in found) else 0


def _rule(name: str, rules: Rules) -> str:
    return rules.choose(name).origin or '(no rule)'


def _show(one: Preview, rules: Rules, args: argparse.Namespace) -> None:
    merged = one.merged
    counts = [
        f'{merged.counts["ours"]} changed here',
        f'{merged.counts["theirs"]} on {args.revision}',
        f'{merged.counts["many"]} on both',
    ]
    print(words.printable(f'{one.path}: {", ".join(counts)}'))
    for key, reason in merged.reasons.items():
        if key not in merged.how:
            print(words.printable(f'  {key}: CONFLICT: {reason}'))
    for name in sorted(merged.who, key=words.natural_key):
        who = merged.who[name]
        if name in merged.conflicts and name in merged.how:
            what = f'CONFLICT: {merged.conflicts[name]}  {_rule(name, rules)}'
        elif name in merged.how:
            what = f'{merged.how[name]}  {_rule(name, rules)}'
        elif args.all:
            what = 'taken'
        else:
            continue
        print(words.printable(f'  {name}  {who}  {what}'))
    for note in merged.notes:
        print(words.printable(f'  note: {note}'))
    print(_summary(one))


def _summary(one: Preview) -> str:
    merged = one.merged
    taken = sum(1 for who in merged.who.values() if who != 'both')
    settled = sum(1 for name in merged.how if name not in merged.conflicts)
    conflicts = plural(len(merged.reasons), 'conflict')
    return (
        f'would take {plural(taken, "tensor")}, merge {settled}, '
        f'leave {conflicts}'
    )


def _as_data(one: Preview, rules: Rules) -> dict[str, Any]:
    merged = one.merged
    return {
        'path': one.path,
        'conflicts': merged.reasons,
        'notes': list(merged.notes),
        'tensors': [
            {
                'name': name, 'changed': merged.who[name],
                'how': merged.how.get(name), 'conflict': merged.conflicts.get(name),
                'rule': rules.choose(name).origin or None,
            }
            for name in sorted(merged.who, key=words.natural_key)
        ],
    }
