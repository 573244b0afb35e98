"""Summarise a model or a manifest as text, one line per tensor.

Run by git diff, log and show, as diff.model.textconv.
"""
from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from git_model_driver.filters import summary
from git_model_driver.render import summary as face

if TYPE_CHECKING:
    import argparse

PLAIN = ('file',)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('file', help='a model, or a manifest')


def run(args: argparse.Namespace) -> int:
    found = summary.of_file(args.file)
    if isinstance(found, bytes):
        sys.stdout.buffer.write(found)
        return 0
    sys.stdout.reconfigure(encoding='utf-8', newline='\n')  # type: ignore[union-attr]
    if isinstance(found, summary.Summary):
        lines = face.lines(found)
    else:
        lines = face.conflicted(found)
    sys.stdout.writelines(f'{line}\n' for line in lines)
    return 0
