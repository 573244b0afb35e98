"""Send the tensors of branches to a remote that is a directory of this machine.

git push does so by itself, through the pre-push hook; this is for what was pushed
without it.
"""
from __future__ import annotations

import argparse

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import repository as repositories
from git_model_driver.render.report import plural
from git_model_driver.store.locate import store_of
from git_model_driver.transfer import local


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('remote', help="the remote's name, or its address")
    parser.add_argument('ref', nargs='*', help='branches or commits (default: all)')


def run(args: argparse.Namespace) -> int:
    repository = repositories.find()
    target = local.store_at(args.remote, repository)
    if target is None:
        raise GitModelError(
            f"'{args.remote}' is no repository in a directory of this machine",
            'see the remotes there are with "git remote -v"',
        )
    objects = local.needed(args.ref or ['--branches', '--tags'])
    sent = local.send(objects, store_of(repository), target)
    print(f'Sent {plural(sent, "tensor")} to {target}')
    return 0
