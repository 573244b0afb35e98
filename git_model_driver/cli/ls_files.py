"""List the models in the index, or in a version.

Behind the oid of the manifest: * the model is in the worktree, - it is not (its
manifest is, or nothing), ~ tensors are missing here.
"""
from __future__ import annotations

import argparse
import fnmatch
import json
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from git_model_driver.cli import faces
from git_model_driver.core import dtype as dtypes
from git_model_driver.core import manifest as manifests
from git_model_driver.core import oid as oids
from git_model_driver.core import words
from git_model_driver.core.manifest import Entry
from git_model_driver.filters import models
from git_model_driver.filters.filter import Filter
from git_model_driver.filters.models import Tracked
from git_model_driver.git import trees
from git_model_driver.render import table
from git_model_driver.render.amounts import plural
from git_model_driver.render.amounts import size
from git_model_driver.render.face import Face
from git_model_driver.render.table import Cell
from git_model_driver.render.table import Column
from git_model_driver.render.table import Row

_ONE = Column(gap=' ')
_MODEL = (table.LEFT, _ONE, Column(cut=True, gap=' '), table.LEFT, table.RIGHT,
          table.RIGHT)
_TENSOR = (table.NAME, _ONE, _ONE, _ONE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('revision', nargs='?', help='default: the index')
    parser.add_argument('-l', '--long', action='store_true', help='print whole oids')
    parser.add_argument('-s', '--size', action='store_true',
                        help='print format, number of tensors and size')
    parser.add_argument('-n', '--name-only', action='store_true',
                        help='print nothing but paths')
    parser.add_argument('-t', '--tensors', action='store_true',
                        help='print the tensors of each model')
    parser.add_argument('-I', '--include', metavar='<globs>', default='*',
                        help='only paths that match one of these, with commas')
    parser.add_argument('-X', '--exclude', metavar='<globs>', default='',
                        help='no paths that match one of these')
    parser.add_argument('-z', dest='null', action='store_true',
                        help='end paths with NUL and quote none; implies -n')
    parser.add_argument('--json', action='store_true', help='print one document')
    faces.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    with Filter() as filter_:
        found = _in_revision(args.revision, filter_) if args.revision else (
            models.tracked(filter_.repository, filter_)
        )
        shown = [m for m in found if m.manifest and _is_wanted(m.path, args)]
        if args.json:
            documents = [_document(model, args) for model in shown]
            print(json.dumps({'version': 1, 'models': documents}, indent=2))
            return 0
        if args.null:
            print(*(f'{model.path}\0' for model in shown), sep='', end='')
            return 0
        if args.name_only and not args.tensors:
            _print_all(words.printable(model.path) for model in shown)
            return 0
        _print(shown, args, filter_)
    return 0


def _print(shown: list[Tracked], args: argparse.Namespace, filter_: Filter) -> None:
    face = faces.face(args, 'model')
    for model, line in zip(shown, _aligned(
        [_row(model, args, filter_) for model in shown], _MODEL, face,
    )):
        print(line)
        if args.tensors and model.manifest:
            rows = [_tensor(e, args.long) for e in model.manifest.tensors.values()]
            _print_all(_aligned(rows, _TENSOR, face, '  '))


def _print_all(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _aligned(
    rows: list[Row], columns: Sequence[Column], face: Face, indent: str = '',
) -> Iterator[str]:
    """Columns for people; for programs, words with one space between them."""
    for some in [rows] if face.width else [[row] for row in rows]:
        yield from table.lines(some, columns, face, indent)


def _is_wanted(path: str, args: argparse.Namespace) -> bool:
    included, excluded = (
        any(fnmatch.fnmatchcase(path, glob) for glob in globs.split(','))
        for globs in (args.include, args.exclude)
    )
    return included and not excluded


def _in_revision(revision: str, filter_: Filter) -> list[Tracked]:
    found = []
    for entry in trees.entries(revision):
        data = filter_.blob(entry.oid) if entry.kind == 'blob' else None
        if data and manifests.is_manifest(data):
            manifest = manifests.parse(data, entry.path)
            found.append(Tracked(entry.path, entry.oid, manifest))
    return found


def _row(model: Tracked, args: argparse.Namespace, filter_: Filter) -> Row:
    assert model.manifest
    path = Cell(words.printable(model.path))
    if args.name_only:
        return [path]
    mark = _mark(model, filter_)
    blob = model.blob if args.long else model.blob[:10]
    row = [Cell(blob, 'diff.commit'), Cell(mark, 'diff.old' * (mark == '~')), path]
    if args.size:
        count = plural(len(model.manifest.tensors), 'tensor')
        row += map(Cell, (model.manifest.format, count, size(_nbytes(model))))
    return row


def _mark(model: Tracked, filter_: Filter) -> str:
    assert model.manifest
    top = filter_.repository.top
    if filter_.store.missing(model.manifest.oids):
        return '~'
    if top is None or not (top / model.path).is_file() or (
        models.is_manifest(top / model.path)
    ):
        return '-'
    return '*'


def _nbytes(model: Tracked) -> int:
    assert model.manifest
    return sum(entry.nbytes for entry in model.manifest.tensors.values()) + sum(
        chunk.nbytes for chunk in model.manifest.chunks
    )


def _tensor(entry: Entry, long: bool) -> Row:
    oid = entry.oid if long else oids.short(entry.oid)
    shape = dtypes.format_shape(entry.shape)
    return words.encode(entry.name), entry.dtype, shape, Cell(oid, 'diff.commit')


def _document(model: Tracked, args: argparse.Namespace) -> dict[str, Any]:
    assert model.manifest
    document: dict[str, Any] = {
        'path': model.path, 'blob': model.blob, 'format': model.manifest.format,
        'bytes': _nbytes(model), 'metadata': dict(model.manifest.meta),
        'tensor_count': len(model.manifest.tensors),
    }
    if args.tensors:
        document['tensors'] = [
            {'name': e.name, 'dtype': e.dtype, 'shape': e.shape, 'oid': e.oid,
             'bytes': e.nbytes}
            for e in model.manifest.tensors.values()
        ]
    return document
