"""Say what takes space in the store, over all versions, largest first.

Per model, or per tensor of one model: how many different objects there are, what
their bytes would take as they are, and what they take on disk, compressed and as
differences. Models may share objects: the total counts each once. A version that two
models have in common, to the letter, is counted for one of them.
"""
from __future__ import annotations

import argparse
import json
from typing import Any

from git_model_driver.cli import faces
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.git import repository as repositories
from git_model_driver.git import roots
from git_model_driver.git import worktree
from git_model_driver.git.repository import Repository
from git_model_driver.render import table
from git_model_driver.render.amounts import plural
from git_model_driver.render.amounts import size
from git_model_driver.render.face import Face
from git_model_driver.render.table import Cell
from git_model_driver.render.table import Row
from git_model_driver.transfer.locate import store_of
from git_model_driver.upkeep import usage
from git_model_driver.upkeep.usage import Usage
from git_model_driver.upkeep.usage import Use

_COLUMNS = (table.RIGHT, table.RIGHT, table.RIGHT, table.NAME)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('path', nargs='?', help='a model: list its tensors')
    parser.add_argument('-r', '--revision', metavar='<revision>', action='append',
                        default=[], help='only these commits or ranges, not all')
    parser.add_argument('--json', action='store_true', help='print one document')
    faces.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    roots.see_what_was_replaced()
    repository = repositories.find()
    path = _from_top(args.path, repository)
    found = usage.usage(repository, store_of(repository), tuple(args.revision), path)
    if path is not None and not found.uses:
        raise GitModelError(
            f"no version of '{args.path}' is a model",
            'see which there are with "git model du"',
        )
    if args.json:
        print(json.dumps(_document(found), indent=2))
    else:
        print(*_lines(found, path, faces.face(args, 'model')), sep='\n')
    return 0


def _from_top(path: str | None, repository: Repository) -> str | None:
    if path is None or repository.top is None:
        return path
    return worktree.from_top(path, repository)


def _document(found: Usage) -> dict[str, Any]:
    return {
        'version': 1,
        'uses': [use._asdict() for use in found.uses],
        'total': found.total._asdict(),
        'unneeded': found.unneeded._asdict(),
        'other': found.other,
    }


def _lines(found: Usage, path: str | None, face: Face) -> list[str]:
    heading = [
        Cell(word, 'diff.meta')
        for word in ('ON DISK', 'RAW', 'OBJECTS', 'TENSOR' if path else 'MODEL')
    ]
    rows: list[Row] = [heading, *map(_row, [*found.uses, found.total])]
    lines = list(table.lines(rows, _COLUMNS, face))
    if path is None:
        lines += _rest(found)
    return lines


def _row(use: Use) -> tuple[str, str, str, str]:
    name = words.printable(use.name)
    if use.missing:
        name += f'   ({use.missing} not here)'
    return size(use.stored), size(use.raw), str(use.objects), name


def _rest(found: Usage) -> list[str]:
    lines = []
    if found.unneeded.objects:
        lines.append(
            f'{plural(found.unneeded.objects, "object")} '
            f'({size(found.unneeded.stored)}) that nothing needs: '
            'see "git model prune -n"',
        )
    if found.other:
        lines.append(f'{size(found.other)} of temporary files and damaged objects')
    return lines
