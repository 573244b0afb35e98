"""Merge three manifests; the result replaces the second.

Run by git, as merge.model.driver. Exit code 0: settled, 1: conflicts.
"""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.filters.filter import Filter
from git_model_driver.git import run as run_git
from git_model_driver.merging import driver
from git_model_driver.merging import record
from git_model_driver.merging.conflicts import Labels
from git_model_driver.render import report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--virtual', action='store_true',
                        help='merge ancestors of a criss-cross merge')
    for name in ('base', 'ours', 'theirs'):
        parser.add_argument(name, type=Path, help=f'the file with {name}')
    parser.add_argument('marker_size', type=int, help='length of conflict markers')
    parser.add_argument('path', help='the path of the model')
    parser.add_argument('labels', nargs='*', help='of base, ours and theirs')


def run(args: argparse.Namespace) -> int:
    call = driver.Call(
        args.base, args.ours, args.theirs, args.path, _labels(args),
    )
    replayed = driver.replay(call)
    if replayed is not None:
        return 0 if replayed else 1
    with Filter() as filter_:
        try:
            given = [
                _as_manifest(side, args.path, filter_)
                for side in (call.base, call.ours, call.theirs)
            ]
            if args.virtual:
                driver.run_virtual(call, filter_.store)
                return 0
            outcome = driver.run(call, filter_.store, given)
        except BaseException as e:
            # Whatever it is: ours must not stay there as if it were the result.
            driver.fall_back(call)
            if not isinstance(e, GitModelError):
                raise
            print(e, file=sys.stderr)
            again = f'git checkout -m -- {words.shell(args.path)}'
            print(f'hint: then merge it again with "{again}"', file=sys.stderr)
            return 1
    if outcome.merging:
        conflicts = len(outcome.reasons)
        summary = report.trailer(
            outcome.counts, conflicts, outcome.sanity, outcome.ways, outcome.others,
        )
        record.note(args.path, outcome.text, summary)
    for line in report.merged(
        args.path, outcome.counts, outcome.reasons, outcome.notes, outcome.sanity,
    ):
        print(line, file=sys.stderr)
    return 1 if outcome.reasons else 0


def _labels(args: argparse.Namespace) -> Labels:
    """Git before 2.44 passes "%S %X %Y" as they stand."""
    size = max(7, args.marker_size)
    if len(args.labels) == 3 and not args.labels[1].startswith('%'):
        return Labels(args.labels[1] or 'ours', args.labels[2] or 'theirs', size)
    return Labels(size=size)


def _as_manifest(side: Path, path: str, filter_: Filter) -> bytes | str:
    """Make a manifest of a side; returns what git has: its content, or its oid.

    One that was committed raw, without the filter, is cleaned now.
    """
    with open(side, 'rb') as file:
        head = file.read(64)
    if not head or manifests.is_manifest(head):
        return side.read_bytes()
    blob = run_git.text('hash-object', '--no-filters', '--', os.path.abspath(side))
    manifest = filter_.take_apart(side, path)
    side.write_bytes(manifests.serialize(manifest).encode())
    return blob
