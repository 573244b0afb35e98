"""Show what is in a model: its tensors, their statistics, its metadata.

<model> is a file, or <revision>:<path> for another version, or :<path> for the index.
Statistics are those of the finite elements, in float64: mean, std, min, max, norm;
behind them how many elements are NaN, infinite and zero, where any are.
"""
from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from git_model_driver.cli import faces
from git_model_driver.cli import lost
from git_model_driver.core import dtype as dtypes
from git_model_driver.core import oid as oids
from git_model_driver.core import words
from git_model_driver.core.choice import Choice
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.manifest import Entry
from git_model_driver.filters import statistics
from git_model_driver.filters.statistics import Statistics
from git_model_driver.git.progress import Progress
from git_model_driver.looking import model as models
from git_model_driver.looking.model import Model
from git_model_driver.render import changes
from git_model_driver.render import table
from git_model_driver.render.amounts import plural
from git_model_driver.render.amounts import size

_TITLES = ('mean', 'std', 'min', 'max', 'norm')
_SORTS: Mapping[str, Callable[[Entry, Statistics | None], Any]] = {
    'name': lambda entry, _: words.natural_key(entry.name),
    'size': lambda entry, _: -entry.nbytes,
    'norm': lambda _, found: -found.norm if found and found.norm > 0 else 0.0,
}
Found = Mapping[str, 'Statistics | None']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('model', metavar='[<revision>:]<path>', help='which model')
    parser.add_argument('tensors', nargs='*', metavar='<glob>',
                        help='only tensors with such names')
    parser.add_argument('--stats', action='store_true',
                        help='read the tensors, and print their statistics')
    parser.add_argument('--group', action='store_true', help='one line for each layer')
    parser.add_argument('--sort', choices=[*_SORTS], metavar='<by>',
                        help="name, size or norm (default: as in the manifest)")
    parser.add_argument('--json', action='store_true', help='print one document')
    faces.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    model = models.open_model(args.model)
    choice = Choice(tensors=tuple(args.tensors))
    entries = [model.info(name) for name in model if choice.has_tensor(name)]
    if args.tensors and not entries:
        raise GitModelError(
            f"'{model.label}' has no tensor "
            f"'{' '.join(map(words.printable, args.tensors))}'",
            f'see those it has with "git model show {words.shell(args.model)}"',
        )
    found: Found = {}
    if args.stats or args.sort == 'norm':
        with Progress('Reading tensors') as meter:
            found = model.statistics(entries, meter)
    if args.sort:
        order = _SORTS[args.sort]
        entries.sort(key=lambda entry: order(entry, found.get(entry.name)))
    if args.json:
        print(json.dumps(_document(model, entries, found), indent=2))
        return _told_lost(entries, found, model)
    with faces.paged(args, 'show') as face:
        print(face.paint(_headline(model), 'diff.meta'))
        for key, value in sorted(model.metadata.items()):
            print(f'  {words.printable(key)} {words.printable(value)}')
        rows = _grouped(entries) if args.group else _rows(entries, found, args.stats)
        columns = [table.NAME, table.LEFT, table.RIGHT] if args.group else [
            table.NAME, table.LEFT, table.LEFT, table.LEFT,
            *(table.RIGHT for _ in _TITLES), table.LEFT,
        ]
        for line in table.lines(rows, columns, face, indent='  '):
            print(line)
    return _told_lost(entries, found, model)


def _told_lost(entries: Sequence[Entry], found: Found, model: Model) -> int:
    """Say whose bytes could not be had; the exit code."""
    return lost.tell([
        f"'{entry.name}' of '{model.label}'" for entry in entries
        if entry.name in found and found[entry.name] is None
        and entry.nbytes and statistics.is_numeric(entry)
    ])


def _headline(model: Model) -> str:
    nbytes = sum(entry.nbytes for entry in model.manifest.tensors.values()) + sum(
        chunk.nbytes for chunk in model.manifest.chunks
    )
    parts = [model.format, plural(len(model), 'tensor'), size(nbytes)]
    if gone := len(model.missing):
        parts.append(f'{gone} not in the store')
    return f'{model.label}   {", ".join(parts)}'


def _rows(
    entries: Sequence[Entry], found: Found, with_statistics: bool,
) -> list[table.Row]:
    rows: list[table.Row] = []
    if with_statistics and entries:
        rows.append(['', '', '', '', *_TITLES])
    for entry in entries:
        numbers = found.get(entry.name)
        rows.append([
            words.encode(entry.name), entry.dtype, dtypes.format_shape(entry.shape),
            oids.short(entry.oid), *(_numbers(numbers) if with_statistics else ()),
        ])
    return rows


def _numbers(found: Statistics | None) -> list[str]:
    if found is None:
        return ['-'] * len(_TITLES)
    shown = [f'{value:.6g}' for value in found[:len(_TITLES)]]
    return [*shown, *([' '.join(found.odd)] if found.odd else ())]


def _grouped(entries: Sequence[Entry]) -> list[table.Row]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(changes.layer(entry.name), []).append(entry)
    return [
        [words.encode(name), plural(len(groups[name]), 'tensor'),
         size(sum(entry.nbytes for entry in groups[name]))]
        for name in sorted(groups, key=words.natural_key)
    ]


def _document(
    model: Model, entries: Sequence[Entry], found: Found,
) -> dict[str, Any]:
    return {
        'version': 1, 'model': model.label, 'format': model.format,
        'metadata': dict(model.metadata),
        'tensors': [
            {'name': e.name, 'dtype': e.dtype, 'shape': list(e.shape), 'oid': e.oid,
             'bytes': e.nbytes, **_statistics(found.get(e.name), e.name in found)}
            for e in entries
        ],
    }


def _statistics(found: Statistics | None, asked: bool) -> dict[str, Any]:
    """JSON has no NaN: null stands for what is undefined."""
    if not asked:
        return {}
    if found is None:
        return {'statistics': None}
    return {'statistics': {
        key: value if math.isfinite(value) else None
        for key, value in found._asdict().items()
    }}
