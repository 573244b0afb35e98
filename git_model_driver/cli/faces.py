"""How a verb shows its answer: --color, the terminal's width, the pager."""
from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from git_model_driver.git import terminal
from git_model_driver.render.face import Face


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--color', nargs='?', const='always', metavar='<when>',
                        help='always, never or auto (default: as color.ui says)')
    parser.add_argument('--no-color', dest='color', action='store_const', const='never',
                        help='the same as --color=never')


def face(args: argparse.Namespace, command: str) -> Face:
    """For what is printed at once; color.<command> is asked, then color.ui."""
    coloured = terminal.has_colours(command, args.color)
    return Face(terminal.width(), terminal.colour if coloured else None)


@contextmanager
def paged(args: argparse.Namespace, command: str) -> Iterator[Face]:
    """What is printed inside goes through Git's pager, on a terminal.

    ``pager.<command>`` and ``color.<command>`` are asked. A reader that has seen
    enough ends it, without an error.
    """
    with terminal.Pager(command):
        yield face(args, command)
