"""Settle tensors that a merge left in conflict.

When nothing is left, the path is staged and the model written in its place; so it is
where an editor has settled everything, and neither a side nor a method is named.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.filters import direct
from git_model_driver.filters.filter import Filter
from git_model_driver.git import files
from git_model_driver.git import repository as repositories
from git_model_driver.git import worktree
from git_model_driver.git.operation import MERGE
from git_model_driver.merging import resolve
from git_model_driver.merging.keys import WEIGHTS
from git_model_driver.merging.keys import Rule
from git_model_driver.merging.keys import parameters_of
from git_model_driver.merging.methods import METHODS
from git_model_driver.merging.rules import Rules
from git_model_driver.render.amounts import plural
from git_model_driver.transfer.locate import store_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    for side in ('ours', 'theirs', 'base'):
        how.add_argument(f'--{side}', dest='method', action='store_const', const=side,
                         help=f'take the tensor as it is in {side}')
    how.add_argument('--method', choices=sorted(METHODS), help='combine the values')
    how.add_argument('--list', action='store_true', help='show what is unsettled')
    parser.add_argument('-p', dest='parameters', action='append', default=[],
                        metavar='<key>=<value>', help="one of the method's parameters")
    parser.add_argument('path', help='the model')
    parser.add_argument('glob', nargs='*', help='names of tensors (default: all)')


def run(args: argparse.Namespace) -> int:
    repository = repositories.find()
    top = worktree.top_of(repository)
    path = worktree.from_top(args.path, repository)
    settled = args.method is None and not args.list
    text = _text(top / path, path, settled)
    if args.list:
        for name, reason in resolve.listing(text, path).items():
            print(words.printable(f'{name}: {reason}'))
        return 0
    if settled:
        args.method = 'ours'    # nothing is left that it could be said of
    resolver = resolve.Resolver(path, _rules(args), store_of(repository))
    left = resolver.resolve(text, args.glob)
    files.replace(top / path, left.text.encode())
    if left.reasons:
        print(f'{path}: {plural(len(left.reasons), "conflict")} left')
        return 0
    worktree.stage(path)
    with Filter() as filter_:
        direct.write(filter_, {path: (top / path).read_bytes()})
    print(f'{path}: settled and staged')
    return 0


def _text(file: Path, path: str, settled: bool) -> str:
    """The manifest: with conflicts, or, where an editor settled them, without."""
    try:
        data = file.read_bytes()
    except OSError as e:
        raise GitModelError(f"cannot read '{path}': {e.strerror}") from None
    if manifests.is_manifest(data):
        text = manifests.decode_text(data, path)
        if settled:
            manifests.parse(text, path)     # raises where conflicts are left
        if settled or manifests.has_conflict(text):
            return text
    raise GitModelError(
        f"'{path}' has no conflict to settle",
        f'make conflicts anew with "git checkout -m -- {words.shell(path)}"',
    )


def _rules(args: argparse.Namespace) -> Rules:
    """The method, for every tensor by name: classes have no say here."""
    rules = [Rule('*', 'merge', args.method, f'--method {args.method}')]
    for pair in args.parameters:
        key, _, value = pair.partition('=')
        known = [*parameters_of(args.method), *WEIGHTS]
        if args.method not in METHODS:
            known = []
        if key not in known:
            raise UsageError(
                f"'{pair}' is no parameter of '{args.method}'",
                'its parameters are: ' + (', '.join(sorted(known)) or 'none'),
            )
        rules.append(Rule('*', key, value, f'-p {pair}'))
    return Rules(rules, MERGE)
