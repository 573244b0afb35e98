"""Say which tensors are changed, unsettled, not pushed or missing.

--porcelain prints XY, tensors, bytes and path: X is for the index, Y for the
worktree, as in git status; UU is unmerged, ?M lacks tensors here, ?R is committed
as raw bytes.
"""
from __future__ import annotations

import argparse
import json

from git_model_driver.cli import faces
from git_model_driver.core import words
from git_model_driver.filters import status
from git_model_driver.filters.filter import Filter
from git_model_driver.filters.status import Change
from git_model_driver.git import run as git
from git_model_driver.render import table
from git_model_driver.render.amounts import plural
from git_model_driver.render.amounts import size
from git_model_driver.render.face import Face
from git_model_driver.render.table import Cell

_HEADINGS = {
    status.STAGED: 'Changes to be committed:',
    status.UNSTAGED: 'Changes not staged for commit:',
    status.UNMERGED: 'Unmerged (use "git model resolve --list <path>"):',
    status.UNPUSHED: 'Not pushed (use "git push"):',
    status.MISSING: 'Missing here (use "git model pull"):',
    status.RAW: 'Committed as raw bytes (use "git add --renormalize <path>"):',
}
_SLOTS = {
    status.STAGED: 'status.added', status.UNMERGED: 'status.unmerged',
    status.UNPUSHED: '', status.MISSING: '',
}
_COLUMNS = (table.NAME, table.LEFT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument('-s', '--short', '--porcelain', dest='porcelain',
                      action='store_true', help='print a line per path for programs')
    form.add_argument('--json', action='store_true', help='print one document')
    faces.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    with Filter() as filter_:
        changes = list(status.changes(filter_))
    if args.json:
        documents = [change._asdict() for change in changes]
        print(json.dumps({'version': 1, 'changes': documents}, indent=2))
    elif args.porcelain:
        for change in changes:
            if change.section != status.UNPUSHED:
                path = words.printable(change.path)
                print(f'{_code(change)} {change.tensors} {change.nbytes} {path}')
    else:
        _print(changes, faces.face(args, 'status'))
    return 0


def _code(change: Change) -> str:
    return {
        status.STAGED: f'{change.letter} ', status.UNSTAGED: f' {change.letter}',
        status.UNMERGED: 'UU', status.MISSING: '?M', status.RAW: '?R',
    }[change.section]


def _print(changes: list[Change], face: Face) -> None:
    branch = git.attempt('symbolic-ref', '--quiet', '--short', 'HEAD')
    name = branch.out.decode(errors='replace').strip()
    print(f'On branch {name}' if name else 'HEAD detached')
    for section, heading in _HEADINGS.items():
        rows = [change for change in changes if change.section == section]
        if rows:
            print(f'\n{heading}')
        slot = _SLOTS.get(section, 'status.changed')
        cells = [
            (Cell(f'{words.printable(change.path):<24}', slot), _facts(change))
            for change in rows
        ]
        for some in [cells] if face.width else [[row] for row in cells]:
            print(*table.lines(some, _COLUMNS, face, ' ' * 8), sep='\n')
    if not changes:
        print('nothing to say about models')


def _facts(change: Change) -> str:
    if change.section == status.RAW:
        return ''
    if change.section == status.UNMERGED:
        return plural(change.tensors, 'conflict')
    of = f'{change.tensors} of {plural(change.total, "tensor")}'
    if change.letter in 'AD':
        what = 'new' if change.letter == 'A' else 'deleted'
        return f'{what}, {plural(change.total, "tensor")}, {size(change.nbytes)}'
    if change.section == status.MISSING:
        return f'{of}, {size(change.nbytes)}'
    return f'{of} changed, {size(change.nbytes)} new'
