"""Remove objects that nothing needs.

Needed is what any branch, tag, stash, reflog, index, worktree, merge in progress or
resolution of rerere has, in any version, and what that is stored as a difference
from. The rest goes when nobody has wanted it for two weeks (gc.pruneExpire's way;
model.pruneExpire, --expire).

With --pushed also what only older commits need that the remote has: branches, tags
and what is not pushed stay complete. It is read on the remote first, and comes back
from there with "git model pull" or "git model fetch".
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import options
from git_model_driver.git import repository as repositories
from git_model_driver.git import roots
from git_model_driver.git.repository import Repository
from git_model_driver.render.amounts import plural
from git_model_driver.render.amounts import size
from git_model_driver.transfer.locate import store_of
from git_model_driver.transfer.remotes import Remotes
from git_model_driver.transfer.remotestore import RemoteStore
from git_model_driver.upkeep import prune
from git_model_driver.upkeep.prune import Candidate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('-n', '--dry-run', action='store_true',
                        help='say what would be removed, remove nothing')
    parser.add_argument('-v', '--verbose', action='store_true',
                        help='print each object')
    parser.add_argument('--expire', metavar='<date>',
                        help='only what nobody has wanted since then')
    parser.add_argument('--pushed', action='store_true',
                        help='also what only older commits need that are pushed')
    parser.add_argument('--verify-remote', action='store_true',
                        help='remove only what the remote is found to have '
                             '(--pushed implies it)')
    parser.add_argument('--remote', metavar='<name>',
                        help='default: model.pruneRemoteToCheck, or origin')
    parser.add_argument('-f', '--force', action='store_true',
                        help='remove what no remote was found to have, too')


def run(args: argparse.Namespace) -> int:
    roots.see_what_was_replaced()
    repository = repositories.find()
    before = prune.expiry(args.expire)
    name = args.remote or options.get('pruneRemoteToCheck') or 'origin'
    remote = None
    if (args.pushed or args.verify_remote) and not args.force:
        remote = _remote(name, repository)
    outcome = prune.prune(
        repository, store_of(repository), before, remote,
        name if args.pushed else None, args.dry_run,
    )
    if outcome.unverified:
        return _refuse(outcome.unverified, name, args)
    if args.verbose:
        _list(outcome.removed)
    verb = 'Would remove' if args.dry_run else 'Removed'
    print(f'{verb} {_amount(outcome.removed)}.')
    return 0


def _remote(name: str, repository: Repository) -> RemoteStore:
    remotes = Remotes(repository)
    where = remotes.address(name, push=True)
    remote = remotes.find(where) if where.is_known else None
    if remote is None:
        raise GitModelError(
            f"cannot verify what '{name}' has: it is no remote with tensors",
            'name another remote with --remote, or '
            '"git config model.pruneRemoteToCheck <name>"',
            'without --pushed and --verify-remote nothing that is needed is removed',
        )
    return remote


def _amount(candidates: Sequence[Candidate]) -> str:
    nbytes = sum(candidate.stored for candidate in candidates)
    return f'{plural(len(candidates), "object")} ({size(nbytes)})'


def _list(candidates: Sequence[Candidate]) -> None:
    for candidate in candidates:
        print(f'{candidate.oid} {candidate.stored}')


def _refuse(
    unverified: Sequence[Candidate], name: str, args: argparse.Namespace,
) -> int:
    if args.verbose:
        _list(unverified)
    again = ' '.join(['git model prune', *(['--pushed'] if args.pushed else [])])
    print(
        f'error: cannot prune {_amount(unverified)}: no copy could be verified on '
        f"'{name}'; nothing was removed\n"
        f'hint: send them first with "git model push {name}", or choose another '
        'remote: git config model.pruneRemoteToCheck <name>\n'
        f'hint: they are listed by "{again} --verify-remote -n -v"; '
        f'"{again} --force" deletes them anyway',
        file=sys.stderr,
    )
    return 1
