"""Read a model on standard input, store its tensors, write its manifest.

Run by clients of Git that know no filter process, as filter.model.clean, and to have
Git note a large file that we wrote.
"""
from __future__ import annotations

import argparse
import sys
from itertools import chain

from git_model_driver.cli.main import refuse_terminal
from git_model_driver.filters import process
from git_model_driver.filters.filter import Filter
from git_model_driver.git.pktline import write_all

_PIECE = 1 << 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('path', help='the file that the bytes are of')


def run(args: argparse.Namespace) -> int:
    refuse_terminal('clean', 'a model')
    process.one_blas_thread()
    stdout = process.protect_stdout()
    stdin = sys.stdin.buffer
    head = stdin.read(_PIECE)
    with Filter() as filter_:
        # Git does not mind if the rest is never read.
        result = filter_.clean_known(args.path, head)
        if result is None:
            packets = chain([head], iter(lambda: stdin.read(_PIECE), b''))
            result = filter_.clean(args.path, packets)
        write_all(stdout, result)
    return 0
