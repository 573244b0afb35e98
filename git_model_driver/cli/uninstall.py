"""Remove exactly what install wrote. Files that are tracked stay as they are."""
from __future__ import annotations

import argparse

from git_model_driver.cli.install import add_scopes
from git_model_driver.cli.install import scope_of
from git_model_driver.core.errors import NotARepository
from git_model_driver.git import hooks
from git_model_driver.git import repository as repositories
from git_model_driver.git import settings
from git_model_driver.git import worktree


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scopes(parser)
    parser.add_argument('-n', '--dry-run', action='store_true',
                        help='say what would be removed')


def run(args: argparse.Namespace) -> int:
    if args.scope in (('--local',), ('--worktree',)):
        repositories.find()
    removed, left = settings.remove(scope_of(args), args.dry_run)
    if args.dry_run:
        print('\n'.join(f'Would unset {key}' for key in removed))
        return 0
    if removed:
        print('Removed filter.model, merge.model and diff.model.')
    for key in left:
        print(f"Left '{key}': its value is not what install writes.")
    if args.skip_repo:
        return 0
    if settings.in_force('filter.model.process'):
        print('Left the hooks: other settings of git still name the filter here.')
    else:
        _uninstall_hooks()
    return 0


def _uninstall_hooks() -> None:
    try:
        repository = repositories.find()
    except NotARepository:
        return
    for name in hooks.NAMES:
        path = hooks.uninstall(name)
        if path:
            print(f'Removed {path}.')
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
