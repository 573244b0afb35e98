"""Send the tensors of branches to a remote.

git push does so by itself, through the pre-push hook; this is for what was pushed
without it. Where a remote keeps tensors, remote.<name>.modelStore says: "git" (on the
remote itself), "lfs" (on its Git LFS server), "directory" (in the repository in that
directory of this machine), or an address: a path from "/" or s3://, gs://, az://,
abfs://, sftp:// with a bucket and a prefix, whose credentials are those of the
environment. Where remote.<name>.modelKey names a file with 64 hexadecimal digits, or
env:NAME, they are encrypted there.
"""
from __future__ import annotations

import argparse

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import repository as repositories
from git_model_driver.git import roots
from git_model_driver.looking.worktree import Worktree
from git_model_driver.render.amounts import plural
from git_model_driver.transfer.locate import store_of
from git_model_driver.transfer.needed import needed
from git_model_driver.transfer.remotes import GIT
from git_model_driver.transfer.remotes import Remotes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('remote', help="the remote's name, or its address")
    parser.add_argument('ref', nargs='*', help='branches or commits (default: all)')


def run(args: argparse.Namespace) -> int:
    roots.see_what_was_replaced()
    repository = repositories.find()
    remotes = Remotes(repository)
    remote = remotes.find(remotes.address(args.remote, push=True))
    if remote is None:
        raise GitModelError(
            f"'{args.remote}' has no store for tensors",
            'keep them on the remote itself: git config '
            f'remote.{args.remote}.modelStore {GIT}',
        )
    objects = needed(args.ref or ['--branches', '--tags'])
    sent = remote.send(objects, store_of(repository, Worktree(repository).span))
    print(f'Sent {plural(sent, "tensor")} to {remote.label}')
    return 0
