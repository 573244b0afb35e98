"""Get the tensors of all versions from repositories that are directories here.

git clone and checkout get those of the version that is checked out; this makes a
clone complete. From the remotes, unless a repository is named.
"""
from __future__ import annotations

import argparse

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import MissingObject
from git_model_driver.git import repository as repositories
from git_model_driver.render.report import plural
from git_model_driver.store.locate import store_of
from git_model_driver.store.objects import Store
from git_model_driver.transfer import local


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('repository', nargs='?', help='a directory, or a remote')
    parser.add_argument('ref', nargs='*',
                        help='branches or commits (default: all there are)')


def run(args: argparse.Namespace) -> int:
    repository = repositories.find()
    store = store_of(repository)
    if args.repository:
        root = local.store_at(args.repository, repository)
        if root is None:
            raise GitModelError(
                f"'{args.repository}' is no repository in a directory of this machine",
                'see the remotes there are with "git remote -v"',
            )
        store = Store(repository.store_root, remotes=lambda: [root])
    needed = local.needed(args.ref or ['--all'])
    before = [oid for oid in needed if not store.has(oid)]
    store.gather(before)
    missing = [oid for oid in before if not store.has(oid)]
    print(f'Got {plural(len(before) - len(missing), "tensor")}.')
    if missing:
        raise MissingObject(
            f'{plural(len(missing), "tensor")} could not be found',
            'name another repository: git model fetch <directory>',
        )
    return 0
