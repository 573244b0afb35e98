"""Undo track: remove patterns from .gitattributes."""
from __future__ import annotations

import argparse
from pathlib import Path

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import attributes
from git_model_driver.git import repository as repositories
from git_model_driver.git import worktree


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('pattern', nargs='+', help='as it was given to track')
    parser.add_argument('--filename', action='store_true',
                        help='the patterns are names of files, not globs')
    parser.add_argument('-n', '--dry-run', action='store_true',
                        help='say what would be removed')


def run(args: argparse.Namespace) -> int:
    worktree.top_of(repositories.find())
    for pattern in args.pattern:
        quoted = attributes.quoted(pattern, args.filename)
        if args.dry_run:
            print(f'Would untrack {quoted}')
            continue
        if not attributes.remove(quoted, Path(attributes.FILE)):
            raise GitModelError(
                f"'{pattern}' is not tracked in {attributes.FILE}",
                'see what is with "git model track"',
            )
        print(f'Untracking {quoted}')
    return 0
