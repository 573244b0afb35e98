"""Where a page goes: a file, or standard output for "-"."""
from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

STDOUT = '-'


def add_argument(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument('--html', nargs='?', const=default, metavar='<file>',
                        help='write one self-contained page '
                             f'(default: {default}; "-" prints it)')


def write(name: str, lines: Iterable[str]) -> None:
    """Print the page, or write it and say where. Raises OSError."""
    if name == STDOUT:
        for line in lines:
            print(line)
        return
    data = '\n'.join([*lines, '']).encode('utf-8', 'backslashreplace')
    Path(name).write_bytes(data)
    print(name)
