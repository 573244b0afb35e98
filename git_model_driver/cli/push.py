"""Send the tensors of branches to a remote.

git push does so by itself, through the pre-push hook; this is for what was pushed
without it. Where a remote keeps tensors, remote.<name>.modelStore says: "git" (on the
remote itself), "directory" (in the repository in that directory of this machine).
"""
from __future__ import annotations

import argparse
import os
from pathlib import Path

from git_model_driver.git import repository as repositories
from git_model_driver.git import roots
from git_model_driver.git import run as git
from git_model_driver.render.report import plural
from git_model_driver.transfer import local
from git_model_driver.transfer import remotes
from git_model_driver.transfer import sending
from git_model_driver.transfer.locate import store_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('remote', help="the remote's name, or its address")
    parser.add_argument('ref', nargs='*', help='branches or commits (default: all)')


def run(args: argparse.Namespace) -> int:
    roots.see_what_was_replaced()
    repository = repositories.find()
    named = git.attempt('remote', 'get-url', '--push', args.remote)
    url = os.fsdecode(named.out).strip() if named.code == 0 else args.remote
    base = repository.top or repository.git_dir
    remote = remotes.find(
        args.remote, url, base if named.code == 0 else Path.cwd(), repository,
    )
    objects = local.needed(args.ref or ['--branches', '--tags'])
    sent = sending.send(remote, objects, store_of(repository), repository)
    print(f'Sent {plural(sent, "tensor")} to {sending.where(remote)}')
    return 0
