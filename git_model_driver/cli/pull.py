"""Get missing tensors from the remotes, then check out."""
from __future__ import annotations

import argparse

from git_model_driver.cli import checkout
from git_model_driver.cli import choosing
from git_model_driver.cli.fetch import fetch_notes
from git_model_driver.core.choice import EVERYTHING
from git_model_driver.core.errors import MissingObject
from git_model_driver.git import notes
from git_model_driver.render.amounts import plural


def add_arguments(parser: argparse.ArgumentParser) -> None:
    checkout.add_arguments(parser)
    choosing.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    choice = EVERYTHING if args.path else choosing.choice_of(args)
    done = checkout.write(args.path, choice)
    if not args.path:
        fetch_notes(notes.remotes())
    if done.lacking:
        models = plural(len(done.lacking), 'model')
        raise MissingObject(
            f'tensors of {models} are on no remote that can be read from here: '
            f'{", ".join(done.lacking)}', *done.reasons,
            'see the remotes with "git remote -v"; where the tensors are, say '
            '"git model push <remote>"',
        )
    if not done.written and not done.edited and not done.failed:
        print('All models are here.')
    return 1 if done.failed else 0
