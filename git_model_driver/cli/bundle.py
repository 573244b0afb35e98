"""Write a Git bundle that has tensors, too: a repository in one file.

    git model bundle create m.bundle main       # and "git clone m.bundle" elsewhere
    git model bundle create new.bundle v1..main # and "git pull ../new.bundle main"

It is a bundle as git bundle makes it, with refs for the tensors of the commits in it;
git bundle verify, git clone and git fetch read it.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from git_model_driver.git import repository as repositories
from git_model_driver.git import roots
from git_model_driver.render.amounts import plural
from git_model_driver.transfer import bundles
from git_model_driver.transfer.locate import store_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('action', choices=['create'])
    parser.add_argument('file', help='the bundle to write')
    parser.add_argument('revision', nargs=argparse.REMAINDER,
                        help='branches or ranges, as for git rev-list')


def run(args: argparse.Namespace) -> int:
    roots.see_what_was_replaced()
    repository = repositories.find()
    target = Path(args.file)
    count = bundles.create(target, args.revision, repository, store_of(repository))
    print(f"Wrote '{target}' with {plural(count, 'tensor')}.")
    return 0
