"""Note in a merge commit's message how models were merged.

Run by git, as the prepare-commit-msg hook; a line "Model-Merge: ..." for each model.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from git_model_driver.git import run as git
from git_model_driver.merging import record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('file', type=Path, help="the message's file")
    parser.add_argument('source', nargs='*', help='where the message is from')


def run(args: argparse.Namespace) -> int:
    name = Path(git.text('rev-parse', '--git-path', 'MERGE_HEAD'))
    heads = name.read_text(encoding='ascii').split() if name.exists() else []
    lines = list(record.trailers(heads)) if heads else []
    options = [f'--trailer=Model-Merge: {line}' for line in lines]
    if options:
        _end_line(args.file)
        git.output(
            'interpret-trailers', '--in-place', '--if-exists=addIfDifferent',
            *options, str(args.file),
        )
    return 0


def _end_line(file: Path) -> None:
    """Git takes a trailer for part of the subject where its line does not end."""
    message = file.read_bytes()
    if message and not message.endswith(b'\n'):
        file.write_bytes(message + b'\n')
