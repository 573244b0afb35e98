"""Clean and smudge for as many files as git has (gitattributes(5)).

Run by git, as filter.model.process.
"""
from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from git_model_driver.cli.main import refuse_terminal
from git_model_driver.filters import process
from git_model_driver.git.pktline import ProtocolError

if TYPE_CHECKING:
    import argparse

PLAIN = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    refuse_terminal('filter-process', 'requests')
    process.one_blas_thread()
    try:
        process.serve(0, process.protect_stdout())
    except EOFError:
        return 128      # git is gone
    except ProtocolError as e:
        print(f'error: this is not git speaking its filter protocol: {e}',
              file=sys.stderr)
        return 128
    return 0
