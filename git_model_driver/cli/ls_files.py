"""List the models in the index, or in a version.

Behind the oid of the manifest: * the model is in the worktree, - it is not (its
manifest is, or nothing), ~ tensors are missing here.
"""
from __future__ import annotations

import argparse
import fnmatch
import json
import os
from typing import Any

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import manifest as manifests
from git_model_driver.core import oid as oids
from git_model_driver.core import words
from git_model_driver.core.manifest import Entry
from git_model_driver.filters import models
from git_model_driver.filters.filter import Filter
from git_model_driver.filters.models import Tracked
from git_model_driver.git import run as git
from git_model_driver.render.report import plural
from git_model_driver.render.report import size


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
        for model in shown:
            print(_line(model, args, filter_))
            if args.tensors and model.manifest:
                for entry in model.manifest.tensors.values():
                    print(f'  {_tensor(entry, args.long)}')
    return 0


def _is_wanted(path: str, args: argparse.Namespace) -> bool:
    included, excluded = (
        any(fnmatch.fnmatchcase(path, glob) for glob in globs.split(','))
        for globs in (args.include, args.exclude)
    )
    return included and not excluded


def _in_revision(revision: str, filter_: Filter) -> list[Tracked]:
    found = []
    for record in git.zsplit('ls-tree', '-r', '-z', '--full-tree', revision):
        facts, _, path = record.partition(b'\t')
        _, kind, oid = facts.decode().split()
        data = filter_.blob(oid) if kind == 'blob' else None
        if data and manifests.is_manifest(data):
            name = os.fsdecode(path)
            found.append(Tracked(name, oid, manifests.parse(data, name)))
    return found


def _line(model: Tracked, args: argparse.Namespace, filter_: Filter) -> str:
    assert model.manifest
    if args.name_only:
        return words.printable(model.path)
    top = filter_.repository.top
    mark = '*'
    if filter_.store.missing(model.manifest.oids):
        mark = '~'
    elif top is None or not (top / model.path).is_file() or (
        models.is_manifest(top / model.path)
    ):
        mark = '-'
    blob = model.blob if args.long else model.blob[:10]
    line = f'{blob} {mark} {words.printable(model.path)}'
    if args.size:
        count = plural(len(model.manifest.tensors), 'tensor')
        line += f'  {model.manifest.format}  {count}  {size(_nbytes(model))}'
    return line


def _nbytes(model: Tracked) -> int:
    assert model.manifest
    return sum(entry.nbytes for entry in model.manifest.tensors.values()) + sum(
        chunk.nbytes for chunk in model.manifest.chunks
    )


def _tensor(entry: Entry, long: bool) -> str:
    oid = entry.oid if long else oids.short(entry.oid)
    shape = dtypes.format_shape(entry.shape)
    return f'{words.encode(entry.name)} {entry.dtype} {shape} {oid}'


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
