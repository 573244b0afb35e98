"""Turn manifests in the worktree into models, from the tensors that can be had."""
from __future__ import annotations

import argparse
import sys

from git_model_driver.core import words
from git_model_driver.core.choice import EVERYTHING
from git_model_driver.core.choice import Choice
from git_model_driver.filters import models
from git_model_driver.filters.filter import Filter
from git_model_driver.render.amounts import plural


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('path', nargs='*', help='files or folders (default: all)')


def write(paths: list[str], choice: Choice = EVERYTHING) -> models.Written:
    """Write models, and say how many."""
    with Filter() as filter_:
        prefixes = models.prefixes_of(paths, filter_)
        done = models.write_models(filter_.repository, filter_, prefixes, choice)
    if done.written:
        print(f'Wrote {plural(len(done.written), "model")}.')
    return done


def run(args: argparse.Namespace) -> int:
    done = write(args.path)
    for path in done.lacking:
        name = words.printable(path)
        print(f"warning: '{name}' stays a manifest: tensors are missing\n"
              f'hint: get them with "git model pull {words.shell(path)}"',
              file=sys.stderr)
    return 1 if done.lacking or done.failed else 0
