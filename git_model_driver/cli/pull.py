"""Get missing tensors from remotes that are directories, then check out."""
from __future__ import annotations

import argparse

from git_model_driver.core.errors import MissingObject
from git_model_driver.filters import models
from git_model_driver.filters.filter import Filter
from git_model_driver.render.report import plural


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('path', nargs='*', help='files or folders (default: all)')


def run(args: argparse.Namespace) -> int:
    with Filter() as filter_:
        prefixes = models.prefixes_of(args.path, filter_)
        written, lacking = models.write_models(filter_.repository, filter_, prefixes)
    if written:
        print(f'Wrote {plural(len(written), "model")}.')
    if lacking:
        raise MissingObject(
            f'tensors of {plural(len(lacking), "model")} are on no remote that can '
            f'be read from here: {", ".join(lacking)}',
            'this version reads remotes that are directories: see "git remote -v"',
        )
    if not written:
        print('All models are here.')
    return 0
