"""Have files that match a pattern stored tensor by tensor.

Without a pattern, list those there are, and models that none of them matches.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.formats import presets
from git_model_driver.formats import registry
from git_model_driver.formats.presets import PRESETS
from git_model_driver.formats.presets import WITH_CONFIGS
from git_model_driver.git import attributes
from git_model_driver.git import hooks
from git_model_driver.git import repository as repositories
from git_model_driver.git import worktree
from git_model_driver.git.catfile import CatFile
from git_model_driver.store.source import FileSource

_SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('pattern', nargs='*', help='as in .gitattributes')
    parser.add_argument('--preset', action='append', default=[], choices=[*PRESETS],
                        help='what this framework writes; may be given several times')
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
    configs = args.configs or bool(WITH_CONFIGS & set(args.preset))
    patterns = [*args.pattern, *(p for name in args.preset for p in PRESETS[name])]
    if configs and not args.dry_run:
        for name in attributes.add_configs(Path(attributes.FILE)):
            print(f'Merging {name} key by key in {attributes.FILE}')
    if not patterns and not configs:
        _list(args.json)
        return 0
    for pattern in dict.fromkeys(patterns):
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
        _warn_of_hooks()
        _point_at_raw(repository)
    return 0


def _warn_of_hooks() -> None:
    if not hooks.runs('pre-push'):
        print(
            "warning: 'git push' will not send the weights: no hook of ours runs\n"
            'hint: to set it up, or see what is in the way: git model install',
            file=sys.stderr,
        )


def _list(as_json: bool) -> None:
    if as_json:
        patterns = [pattern._asdict() for pattern in attributes.listing()]
        print(json.dumps({'version': 1, 'patterns': patterns}, indent=2))
        return
    for pattern, file in attributes.listing():
        print(f'{pattern} ({file})')
    found: dict[str, list[str]] = {}
    candidates = {
        path: preset for path in worktree.files()
        if (preset := presets.of_file(os.path.basename(path)))
    }
    tracked = attributes.filtered(candidates)
    for path, preset in candidates.items():
        if path not in tracked and _is_model(path):
            found.setdefault(preset, []).append(words.printable(path))
    for preset, paths in found.items():
        shown = ', '.join(paths[:_SHOWN]) + (', ...' if paths[_SHOWN:] else '')
        print(f'hint: not tracked: {shown}\nhint: to track such: git model track '
              f'--preset {preset}', file=sys.stderr)


def _is_model(path: str) -> bool:
    try:
        with open(path, 'rb') as file:
            folder = os.path.dirname(os.path.abspath(path))
            source = FileSource(file.fileno(), path, folder)
            try:
                return registry.read_any(source) is not None
            finally:
                source.close_siblings()
    except (OSError, GitModelError):
        return False


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
