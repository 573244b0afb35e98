"""The words of a command line, as its verb takes them."""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from typing import NoReturn

_NO_OPTION = '\0'      # no word of a command line has it


def parse(module: ModuleType, verb: str, words: list[str]) -> argparse.Namespace:
    """Of a verb that takes git's arguments, too, those are ``gits``."""
    parser = Parser(
        prog=f'git model {verb}', description=module.__doc__,
        formatter_class=_formatter,
    )
    module.add_arguments(parser)
    split = getattr(module, 'split', None)
    ours, gits = split(words) if split else (words, [])
    args = parser.parse(ours)
    args.gits = gits
    return args


class Parser(argparse.ArgumentParser):
    """argparse with git's exit code for a usage error."""

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Options may come last, but where all that is left is somebody else's.

        A word after ``--color`` is not its value, as in git.
        """
        words = ['--color=always' if word == '--color' else word for word in words]
        if any(action.nargs == argparse.REMAINDER for action in self._actions):
            return self.parse_args(words)
        # What follows "--" is no option: argparse forgets that between its passes.
        end = words.index('--') if '--' in words else len(words)
        after = [
            f'{_NO_OPTION}{word}' if word.startswith('-') else word
            for word in words[end + 1:]
        ]
        found = self.parse_intermixed_args(words[:end] + after)
        for name, value in vars(found).items():
            setattr(found, name, _as_said(value))
        return found

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f'error: {message}', file=sys.stderr)
        raise SystemExit(129)


def _as_said(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_said(each) for each in value]
    if isinstance(value, (str, Path)):
        return type(value)(str(value).removeprefix(_NO_OPTION))
    return value


def _formatter(prog: str) -> argparse.HelpFormatter:
    """argparse makes one for each argument; without a width it asks shutil, which takes
    5 ms to import.
    """
    try:
        width = int(os.environ.get('COLUMNS') or os.get_terminal_size().columns)
    except (ValueError, OSError):
        width = 0
    return argparse.RawDescriptionHelpFormatter(prog, width=(width or 80) - 2)
