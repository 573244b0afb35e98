"""Get missing tensors from remotes that are directories, then check out."""
from __future__ import annotations

import argparse

from git_model_driver.cli import checkout
from git_model_driver.core.errors import MissingObject
from git_model_driver.render.report import plural


def add_arguments(parser: argparse.ArgumentParser) -> None:
    checkout.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    written, lacking, edited, failed = checkout.write(args.path)
    if lacking:
        raise MissingObject(
            f'tensors of {plural(len(lacking), "model")} are on no remote that can '
            f'be read from here: {", ".join(lacking)}',
            'this version reads remotes that are directories: see "git remote -v"',
        )
    if not written and not edited and not failed:
        print('All models are here.')
    return 1 if failed else 0
