"""Encode objects better, and remove those that nothing needs.

What git add stores is a difference from the last commit at most. This looks for
better bases in the whole history, and for low-rank updates and scalings, as in models
that LoRA or IA3 was merged into; it takes about as long as adding all versions again,
and leaves out what it has looked at before. No file of the worktree and no commit is
changed. Objects that nothing needs and nobody has wanted for two weeks are removed
first, as by git model prune.
"""
from __future__ import annotations

import argparse

from git_model_driver.filters import process
from git_model_driver.git import repository as repositories
from git_model_driver.git import roots
from git_model_driver.git.progress import Meter
from git_model_driver.render.amounts import plural
from git_model_driver.render.amounts import size
from git_model_driver.transfer.locate import store_of
from git_model_driver.upkeep import prune
from git_model_driver.upkeep import repack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--aggressive', action='store_true',
                        help='try more bases, from further back: slower, seldom much '
                             'smaller')
    parser.add_argument('--prune', metavar='<date>',
                        help='remove only what nobody has wanted since then')
    parser.add_argument('--no-prune', action='store_true', help='remove nothing')
    parser.add_argument('-q', '--quiet', action='store_true', help='print nothing')


def run(args: argparse.Namespace) -> int:
    roots.see_what_was_replaced()
    process.one_blas_thread()
    repository = repositories.find()
    store = store_of(repository)
    said = []
    if not args.no_prune:
        removed = prune.prune(repository, store, prune.expiry(args.prune)).removed
        if removed:
            nbytes = sum(candidate.stored for candidate in removed)
            said.append(f'Removed {plural(len(removed), "object")} ({size(nbytes)}).')
    meter = Meter('Encoding objects', quiet=args.quiet)
    outcome = repack.repack(repository, store, args.aggressive, meter.show)
    said.append(
        f'Looked at {plural(outcome.objects, "object")}, encoded {outcome.rewritten} '
        f'better: {size(outcome.before)} became {size(outcome.after)}.',
    )
    if not args.quiet:
        print(*said, sep='\n')
    return 0
