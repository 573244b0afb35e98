"""Read a manifest on standard input, write its model.

Run by clients of Git that know no filter process, as filter.model.smudge.
"""
from __future__ import annotations

import argparse
import sys

from git_model_driver.cli.main import refuse_terminal
from git_model_driver.filters import process
from git_model_driver.filters.filter import Filter
from git_model_driver.git import caller
from git_model_driver.git.pktline import Unframed
from git_model_driver.git.pktline import write_all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('path', help='the file that the bytes are for')


def run(args: argparse.Namespace) -> int:
    refuse_terminal('smudge', 'a manifest')
    stdout = process.protect_stdout()
    data = sys.stdin.buffer.read()
    if caller.wants_textconv(args.path):
        write_all(stdout, data)
        return 0
    with Filter() as filter_:
        filter_.smudge(args.path, data)(Unframed(stdout))
    return 0
