"""Set up the filter, the drivers and, inside a repository, the hooks."""
from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from git_model_driver.core.errors import HookExists
from git_model_driver.core.errors import NotARepository
from git_model_driver.git import byhand
from git_model_driver.git import hooks
from git_model_driver.git import repository as repositories
from git_model_driver.git import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scopes(parser)
    parser.add_argument('-f', '--force', action='store_true',
                        help='replace settings that are not ours')
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument('-m', '--manual', action='store_true',
                      help='say what to add to hooks, and leave them alone')
    ways.add_argument('--append-hooks', nargs='?', const='untracked', metavar='tracked',
                      choices=('untracked', 'tracked'),
                      help="put a marked block into hooks of somebody else, for sh or "
                           'bash; "tracked": even into one that is under version '
                           'control')
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
    by_config = _by_config(args)
    if args.dry_run:
        return _say(args, by_config)
    settings.write(scope, args.force, by_config)
    where = args.file or f"git's {scope[0].removeprefix('--')} configuration"
    print(f'Set filter.model, merge.model and diff.model in {where}.')
    if by_config:
        print(f'Set the hooks {_and(hooks.NAMES)} there, too.')
    code = 0
    if args.manual:
        _say_by_hand(scope)
    elif not args.skip_repo:
        code = _install_hooks(args)
    print('Next: git model track "*.safetensors" && git add .gitattributes')
    return code


def _by_config(args: argparse.Namespace) -> bool:
    """Whether hooks are written to the configuration, too."""
    of_repository = args.scope in (('--local',), ('--worktree',))
    if args.manual or (args.skip_repo and of_repository):
        return False
    return settings.has_hooks()


def _say(args: argparse.Namespace, by_config: bool) -> int:
    _say_settings(scope_of(args), settings.SETTINGS)
    if by_config:
        _say_settings(scope_of(args), settings.HOOKS)
    if args.manual or args.skip_repo:
        return 0
    return _for_each_hook(
        args, by_config and not args.file, lambda step: print(
            f'Would {step.what.value[0]} {step.target}',
        ),
    )


def _say_settings(scope: Sequence[str], wanted: Mapping[str, str]) -> None:
    for key, value in wanted.items():
        print('git', *map(shlex.quote, ('config', *scope, key, value)))


def _say_by_hand(scope: Sequence[str]) -> None:
    if settings.has_hooks():
        _say_settings(scope, settings.HOOKS)
        return
    for name in hooks.NAMES:
        print('\n'.join(byhand.lines(name, hooks.folder() / name)))


def _install_hooks(args: argparse.Namespace) -> int:
    def take(step: hooks.Step) -> None:
        step.take()
        print(f'{step.what.value[1]} {step.target}.')

    return _for_each_hook(args, False, take)


def _for_each_hook(
    args: argparse.Namespace, by_config: bool, act: Callable[[hooks.Step], None],
) -> int:
    try:
        repository = repositories.find()
    except NotARepository:
        return 0
    code = 0
    for name in hooks.NAMES:
        configured = by_config or hooks.configured(name) is not None
        try:
            step = hooks.to_install(name, repository, configured, args.append_hooks)
        except HookExists as e:
            print(e, file=sys.stderr)
            code = e.exit_code
        else:
            if step:
                act(step)
    return code


def _and(names: Sequence[str]) -> str:
    return f'{", ".join(names[:-1])} and {names[-1]}'
