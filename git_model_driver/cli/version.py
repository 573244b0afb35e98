"""Print the version."""
from __future__ import annotations

import argparse

from git_model_driver import __version__


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    print(f'git-model version {__version__}')
    return 0
