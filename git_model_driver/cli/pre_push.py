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
from git_model_driver.git import run as git
from git_model_driver.render.report import plural
from git_model_driver.store.locate import store_of
from git_model_driver.transfer import local


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('remote', help="the remote's name, or its address")
    parser.add_argument('url', nargs='?', help="the remote's address")


def run(args: argparse.Namespace) -> int:
    refuse_terminal('pre-push', 'what is pushed')
    revisions = _revisions(sys.stdin, args.remote)
    objects = local.needed(revisions) if revisions else {}
    if not objects:
        return 0
    repository = repositories.find()
    url = args.url or args.remote
    base = repository.top or repository.git_dir
    target = repositories.local_store(url, base if args.url else Path.cwd())
    if target is None:
        raise GitModelError(
            f"cannot send {plural(len(objects), 'tensor')} to '{url}': "
            'this version sends tensors to directories of this machine only',
            'to push the commits without their weights: git push --no-verify',
        )
    sent = local.send(objects.items(), store_of(repository), target)
    if sent:
        print(f'Sent {plural(sent, "tensor")} to {target}', file=sys.stderr)
    return 0


def _revisions(lines: Iterable[str], remote: str) -> list[str]:
    """Arguments of rev-list for what the other side lacks: githooks(5)."""
    wanted, known = [], []
    for line in filter(str.strip, lines):
        _, local_oid, _, remote_oid = line.split()
        if local_oid.strip('0'):
            wanted.append(local_oid)
        if remote_oid.strip('0') and _exists(remote_oid):
            known.append(f'^{remote_oid}')
    if not wanted:
        return []
    return [*wanted, *known, '--not', f'--remotes={remote}']


def _exists(oid: str) -> bool:
    return git.attempt('cat-file', '-e', oid).code == 0
