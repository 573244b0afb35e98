"""Send the tensors that the pushed commits need, before git sends the commits.

Run by git, as the pre-push hook.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from git_model_driver.cli.main import refuse_terminal
from git_model_driver.core.errors import GitModelError
from git_model_driver.git import repository as repositories
from git_model_driver.render.report import plural
from git_model_driver.store.locate import store_of
from git_model_driver.transfer import local


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('remote', help="the remote's name, or its address")
    parser.add_argument('url', nargs='?', help="the remote's address")


def run(args: argparse.Namespace) -> int:
    refuse_terminal('pre-push', 'what is pushed')
    wanted = _wanted(sys.stdin)
    if not wanted:
        return 0
    repository = repositories.find()
    url = args.url or args.remote
    base = repository.top or repository.git_dir
    target = repositories.local_store(url, base if args.url else Path.cwd())
    # Asked of the other side itself: what we remember of a remote of that name may
    # be of another place.
    known = local.commits_of(target) if target else [f'--remotes={args.remote}']
    objects = local.needed([*wanted, '--not', *known])
    if not objects:
        return 0
    if target is None:
        raise GitModelError(
            f"cannot send {plural(len(objects), 'tensor')} to '{url}': "
            'this version sends tensors to directories of this machine only',
            'to push the commits without their weights: git push --no-verify',
        )
    sent = local.send(objects, store_of(repository), target)
    if sent:
        print(f'Sent {plural(sent, "tensor")} to {target}', file=sys.stderr)
    return 0


def _wanted(lines: Iterable[str]) -> list[str]:
    """The commits that are pushed: githooks(5)."""
    oids = (line.split()[1] for line in filter(str.strip, lines))
    return [oid for oid in oids if oid.strip('0')]
