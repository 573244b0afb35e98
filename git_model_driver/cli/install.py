"""Set up the filter, the drivers and, inside a repository, the hooks."""
from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress

from git_model_driver.core.errors import HookExists
from git_model_driver.core.errors import NotARepository
from git_model_driver.git import hooks
from git_model_driver.git import repository as repositories
from git_model_driver.git import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scopes(parser)
    parser.add_argument('-f', '--force', action='store_true',
                        help='replace settings that are not ours')
    parser.add_argument('-m', '--manual', action='store_true',
                        help='say what to add to hooks, and leave them alone')
    parser.add_argument('--dry-run', action='store_true',
                        help='say what would be written')


def add_scopes(parser: argparse.ArgumentParser) -> None:
    scopes = parser.add_mutually_exclusive_group()
    for scope, where in (
        ('global', 'for all your repositories (the default)'),
        ('local', 'for this repository'),
        ('worktree', 'for this worktree'),
        ('system', 'for all users'),
    ):
        scopes.add_argument(f'--{scope}', dest='scope', action='store_const',
                            const=(f'--{scope}',), help=f'set it up {where}')
    scopes.add_argument('--file', metavar='<file>', help='write to this file')
    parser.add_argument('--skip-repo', action='store_true',
                        help='leave the hooks of this repository alone')


def scope_of(args: argparse.Namespace) -> Sequence[str]:
    if args.file:
        return '--file', args.file
    return args.scope or ('--global',)


def run(args: argparse.Namespace) -> int:
    scope = scope_of(args)
    if args.dry_run:
        return _say(scope)
    settings.write(scope, args.force)
    where = args.file or f"git's {scope[0].removeprefix('--')} configuration"
    print(f'Set filter.model, merge.model and diff.model in {where}.')
    code = 0
    if args.manual:
        for name in hooks.NAMES:
            print('\n'.join(hooks.by_hand(name, hooks.folder() / name)))
    elif not args.skip_repo:
        code = _install_hooks()
    print('Next: git model track "*.safetensors" && git add .gitattributes')
    return code


def _say(scope: Sequence[str]) -> int:
    for key, value in settings.SETTINGS.items():
        print('git', *map(shlex.quote, ('config', *scope, key, value)))
    with suppress(NotARepository):
        repositories.find()
        for name in hooks.NAMES:
            print(f'Would install {hooks.folder() / name}')
    return 0


def _install_hooks() -> int:
    try:
        repository = repositories.find()
    except NotARepository:
        return 0
    code = 0
    for name in hooks.NAMES:
        try:
            print(f'Installed {hooks.install(name, repository)}.')
        except HookExists as e:
            print(e, file=sys.stderr)
            code = e.exit_code
    return code
