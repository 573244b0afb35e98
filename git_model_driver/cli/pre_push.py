"""Send the tensors that the pushed commits need, before git sends the commits.

Run by git, as the pre-push hook.
"""
from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from git_model_driver.cli.main import refuse_terminal
from git_model_driver.core.errors import GitModelError
from git_model_driver.git import caller
from git_model_driver.git import notes
from git_model_driver.git import repository as repositories
from git_model_driver.git import roots
from git_model_driver.git import run as git
from git_model_driver.git.notes import EVALUATIONS
from git_model_driver.git.repository import Repository
from git_model_driver.looking.worktree import Worktree
from git_model_driver.render.amounts import plural
from git_model_driver.transfer.locate import store_of
from git_model_driver.transfer.remotes import Remotes
from git_model_driver.transfer.remotestore import RemoteStore

if TYPE_CHECKING:
    import argparse

PLAIN = ('remote', 'url')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('remote', help="the remote's name, or its address")
    parser.add_argument('url', nargs='?', help="the remote's address")


def run(args: argparse.Namespace) -> int:
    refuse_terminal('pre-push', 'what is pushed')
    updates = [line.split() for line in sys.stdin if line.strip()]
    repository = repositories.find()
    remotes = Remotes(repository)
    if '--mirror' in caller.arguments() or remotes.is_mirror(args.remote):
        _refuse_to_delete_tensors(args.remote)
    roots.see_what_was_replaced()
    wanted = [words[1] for words in updates if words[1].strip('0')]
    if not wanted:
        return 0
    where = remotes.pushed_to(args.remote, args.url)
    _send(remotes.find(where), repository, wanted)
    if repositories.has_none_below(notes.NAMESPACE, repository.common_dir):
        return 0
    if not notes.push(args.remote, EVALUATIONS):
        print('warning: what models were found to be worth was not sent\n'
              f'hint: to see why: git push {args.remote} {EVALUATIONS}',
              file=sys.stderr)
    return 0


def _send(
    remote: RemoteStore | None, repository: Repository, wanted: list[str],
) -> None:
    if remote is None:
        return
    objects = remote.new(wanted)
    if not objects:
        return
    sent = remote.send(objects, store_of(repository, Worktree(repository).span))
    if sent:
        print(f'Sent {plural(sent, "tensor")} to {remote.label}', file=sys.stderr)


def _refuse_to_delete_tensors(remote: str) -> None:
    """A mirror has no refs but ours: Git would delete those that tensors are on.

    It does not tell the hook of such deletions.
    """
    from git_model_driver.git import transport

    ours = git.text('for-each-ref', '--format=%(refname)', transport.NAMESPACE)
    here = set(ours.split('\n'))
    doomed = [ref for ref in transport.refs_of(remote) if ref.name not in here]
    if doomed:
        raise GitModelError(
            f'this would delete {plural(len(doomed), "ref")} with tensors of models',
            'to push everything else: git push --all && git push --tags',
            'to delete them all the same: git push --no-verify --mirror',
        )
