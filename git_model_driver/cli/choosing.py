"""Options that choose models by path."""
from __future__ import annotations

import argparse

from git_model_driver.core.choice import Choice
from git_model_driver.git import checkouts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for letter, name, which in (
        ('-I', 'include', 'only models with such paths'),
        ('-X', 'exclude', 'no models with such paths'),
    ):
        parser.add_argument(
            letter, f'--{name}', metavar='<glob>', action='append', default=[],
            help=f'{which} (default: model.fetch{name.capitalize()})',
        )


def choice_of(args: argparse.Namespace) -> Choice:
    """What the options say, or else the configuration."""
    chosen = Choice(
        tuple(args.include), tuple(args.exclude), tuple(getattr(args, 'tensors', ())),
    )
    configured = checkouts.settings().choice
    if chosen.include or chosen.exclude:
        return chosen
    return configured._replace(tensors=chosen.tensors)
