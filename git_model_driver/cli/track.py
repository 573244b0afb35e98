"""Have files that match a pattern stored tensor by tensor; without one, list."""
from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import UsageError
from git_model_driver.git import attributes
from git_model_driver.git import hooks
from git_model_driver.git import repository as repositories
from git_model_driver.git import worktree
from git_model_driver.git.catfile import CatFile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('pattern', nargs='*', help='as in .gitattributes')
    parser.add_argument('--filename', action='store_true',
                        help='the patterns are names of files, not globs')
    parser.add_argument('--json', action='store_true',
                        help='list the patterns as one document')
    parser.add_argument('--configs', action='store_true',
                        help='have config.json, tokenizer.json and their like, beside '
                             'models, merged key by key')
    parser.add_argument('-n', '--dry-run', action='store_true',
                        help='say what would be written')


def run(args: argparse.Namespace) -> int:
    repository = repositories.find()
    worktree.top_of(repository)
    if args.configs and not args.dry_run:
        for name in attributes.add_configs(Path(attributes.FILE)):
            print(f'Merging {name} key by key in {attributes.FILE}')
    if not args.pattern and args.json:
        patterns = [pattern._asdict() for pattern in attributes.listing()]
        print(json.dumps({'version': 1, 'patterns': patterns}, indent=2))
        return 0
    if not args.pattern and not args.configs:
        for pattern, file in attributes.listing():
            print(f'{pattern} ({file})')
        return 0
    for pattern in args.pattern:
        _refuse_useless(pattern)
        quoted = attributes.quoted(pattern, args.filename)
        if args.dry_run:
            print(f'Would track {quoted} in {attributes.FILE}')
        elif attributes.add(quoted, Path(attributes.FILE)):
            print(f'Tracking {quoted} in {attributes.FILE}')
        else:
            print(f'{quoted} is tracked already')
    if not args.dry_run:
        hooks.ensure(repository)
        _point_at_raw(repository)
    return 0


def _refuse_useless(pattern: str) -> None:
    if not pattern or pattern.endswith('/'):
        raise UsageError(
            f"'{pattern}' matches no file: attributes are not for folders",
            f'for all in a folder: git model track {words.shell(f"{pattern}**")}',
        )


def _point_at_raw(repository: repositories.Repository) -> None:
    with CatFile() as blobs:
        raw = [
            entry.path for entry in worktree.models(repository)
            if (blob := blobs.blob(entry.oid)) and not manifests.is_manifest(blob)
        ]
    if raw:
        print(f'hint: already committed as raw bytes: {", ".join(raw)}\n'
              'hint: to convert from now on: git add --renormalize .', file=sys.stderr)
