"""Remove exactly what install wrote. Files that are tracked stay as they are."""
from __future__ import annotations

import argparse
from collections.abc import Sequence

from git_model_driver.cli.install import add_scopes
from git_model_driver.cli.install import scope_of
from git_model_driver.core.errors import HookExists
from git_model_driver.core.errors import NotARepository
from git_model_driver.git import hooks
from git_model_driver.git import repository as repositories
from git_model_driver.git import settings
from git_model_driver.git import worktree
from git_model_driver.git.repository import Repository

_FILTER = 'filter.model.process'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scopes(parser)
    parser.add_argument('-n', '--dry-run', action='store_true',
                        help='say what would be removed')


def run(args: argparse.Namespace) -> int:
    if args.scope in (('--local',), ('--worktree',)):
        repositories.find()
    removed, left = settings.remove(scope_of(args), args.dry_run)
    if args.dry_run:
        for key in removed:
            print(f'Would unset {key}')
    elif removed:
        print(_removed(removed))
    for key in left:
        print(f"Left '{key}': its value is not what install writes.")
    if args.skip_repo:
        return 0
    going = args.dry_run and _FILTER in removed and not args.file
    of_scope = settings.count(_FILTER, scope_of(args)) if going else 0
    if settings.count(_FILTER) > of_scope:
        print('Left the hooks: other settings of git still name the filter here.')
    else:
        _uninstall_hooks(args.dry_run)
    return 0


def _removed(keys: Sequence[str]) -> str:
    drivers = 'filter.model, merge.model and diff.model'
    if keys[-1] not in settings.HOOKS:
        return f'Removed {drivers}.'
    if keys[0] in settings.HOOKS:
        return 'Removed the hooks that the configuration named.'
    return f'Removed {drivers}, and the hooks that the configuration named.'


def _uninstall_hooks(dry: bool) -> None:
    try:
        repository = repositories.find()
    except NotARepository:
        return
    for name in hooks.NAMES:
        try:
            step = hooks.to_uninstall(name, repository)
        except HookExists as e:
            print(e)
            continue
        if step and dry:
            print(f'Would {step.what.value[0]} {step.target}')
        elif step:
            step.take()
            print(f'{step.what.value[1]} {step.target}.')
    if not dry:
        _say_what_stays(repository)


def _say_what_stays(repository: Repository) -> None:
    models = worktree.models(repository)
    if models:
        print(
            f'Tracked models ({len(models)}) stay what they are: git stores '
            'manifests, the worktree has the models.\n'
            'To store the models in git itself: '
            'git model untrack <pattern> && git add -u && '
            'git add --renormalize .',
        )
    if repository.store_root.is_dir():
        print(f'Their tensors stay in {repository.store_root}.')
