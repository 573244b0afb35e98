"""Get the tensors of all versions.

git clone and checkout get those of the version that is checked out; this makes a
clone complete. From the remotes, unless a repository, or a bundle, is named.

With --tensors only some of each model: enough to show or merge them.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from git_model_driver.cli import choosing
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import MissingObject
from git_model_driver.git import notes
from git_model_driver.git import repository as repositories
from git_model_driver.git import roots
from git_model_driver.git.notes import EVALUATIONS
from git_model_driver.git.repository import Repository
from git_model_driver.render.amounts import plural
from git_model_driver.store.objects import Store
from git_model_driver.transfer.locate import store_of
from git_model_driver.transfer.needed import needed
from git_model_driver.transfer.remotes import Remotes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('repository', nargs='?', help='a directory, or a remote')
    parser.add_argument('ref', nargs='*',
                        help='branches or commits (default: all there are)')
    choosing.add_arguments(parser)
    parser.add_argument('--tensors', metavar='<glob>', action='append', default=[],
                        help='only tensors with such names')


def run(args: argparse.Namespace) -> int:
    roots.see_what_was_replaced()
    repository = repositories.find()
    store = store_of(repository)
    if args.repository:
        store = _from(args.repository, repository)
    wanted = needed(args.ref or ['--all'], choosing.choice_of(args))
    before = [oid for oid in wanted if not store.has(oid)]
    store.gather(before)
    missing = [oid for oid in before if not store.has(oid)]
    for error in store.failures.values():
        print(f'warning: {error.message}', file=sys.stderr)
    print(f'Got {plural(len(before) - len(missing), "tensor")}.')
    fetch_notes([args.repository] if args.repository else notes.remotes())
    if missing:
        raise MissingObject(
            f'{plural(len(missing), "tensor")} could not be found',
            'name another repository: git model fetch <remote>',
        )
    return 0


def fetch_notes(names: Sequence[str]) -> None:
    """Take over what evaluators said of models elsewhere."""
    for name in names:
        notes.fetch(name, EVALUATIONS)      # that it cannot be asked was told before


def _from(name: str, repository: Repository) -> Store:
    """The store with nothing but this repository to get objects from."""
    remotes = Remotes(repository)
    where = remotes.address(name)
    if not where.is_known:
        raise GitModelError(
            f"'{name}' is no repository in a directory of this machine, nor a remote",
            'see the remotes there are with "git remote -v"',
        )
    remote = remotes.find(where)
    return Store(repository.store_root, sources=lambda: [remote] if remote else [])
