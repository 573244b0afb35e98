"""Merge three versions of a model's JSON file; the result replaces the second.

Run by git, as merge.model-json.driver. Exit code 0: settled, 1: conflicts.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.git import operation
from git_model_driver.merging import jsonmerge
from git_model_driver.merging import siblings
from git_model_driver.merging.conflicts import Labels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name in ('base', 'ours', 'theirs'):
        parser.add_argument(name, type=Path, help=f'the file with {name}')
    parser.add_argument('marker_size', type=int, help='length of conflict markers')
    parser.add_argument('path', help='the path of the file')
    parser.add_argument('labels', nargs='*', help='of base, ours and theirs')


def run(args: argparse.Namespace) -> int:
    files, labels = (args.base, args.ours, args.theirs), _labels(args)
    texts = jsonmerge.Texts(*(file.read_bytes() for file in files))
    beside = siblings.find(args.path, texts)
    try:
        favour = operation.current_option()
        merged = jsonmerge.merge(texts, args.path, beside, labels, favour)
    except BaseException as e:
        # Whatever it is: ours must not stay there as if it were the result.
        args.ours.write_bytes(jsonmerge.marked(texts, labels))
        if not isinstance(e, GitModelError):
            raise
        print(e, file=sys.stderr)
        return 1
    args.ours.write_bytes(merged.text)
    for key, why in merged.conflicts.items():
        print(words.printable(f'{args.path}: {key}: {why}'), file=sys.stderr)
    return 1 if merged.conflicts else 0


def _labels(args: argparse.Namespace) -> Labels:
    """Git before 2.44 passes "%S %X %Y" as they stand."""
    size = max(7, args.marker_size)
    if len(args.labels) == 3 and not args.labels[1].startswith('%'):
        return Labels(args.labels[1] or 'ours', args.labels[2] or 'theirs', size)
    return Labels(size=size)
