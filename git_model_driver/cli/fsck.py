"""Check that manifests can be read and that their tensors are here and whole.

All commits that a branch, tag, stash or reflog has, and the index, unless
revisions are given. Exit code 1 if there is a problem. Nothing is changed without
--repair, which moves damaged objects to damaged/ in the store and takes what is
missing from remotes that are directories, alternates and the worktree.
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import chain

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import FormatError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.filters import models
from git_model_driver.filters.filter import Filter
from git_model_driver.formats import registry
from git_model_driver.git import history
from git_model_driver.git import repository as repositories
from git_model_driver.git import run as git
from git_model_driver.git.history import Found
from git_model_driver.render.report import plural
from git_model_driver.store.locate import store_of
from git_model_driver.store.objects import Store
from git_model_driver.store.objects import check_digest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('revision', nargs='*', help='commits or ranges (A..B)')
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--manifests', action='store_true',
                       help='check manifests only, not the store')
    which.add_argument('--objects', action='store_true',
                       help='check the store only')


    parser.add_argument('--repair', action='store_true',
                        help='set damaged objects aside and get what is missing')


def run(args: argparse.Namespace) -> int:
    code = _check(args)
    if code and args.repair and not args.manifests:
        _repair()
        return _check(args)
    return code


def _repair() -> None:
    with Filter() as filter_:
        store = filter_.store
        for oid, _ in list(_damaged(store)):
            print(f'{oid}: moved to {store.set_aside(oid)}')
        needed: dict[Oid, str] = {}
        for found in _manifests([]):
            _check_manifest(found, needed)
        store.gather(needed)
        for path, _, manifest in models.tracked(filter_.repository, filter_):
            if manifest:
                models.get_missing(path, manifest, filter_)


def _check(args: argparse.Namespace) -> int:
    store = store_of(repositories.find())
    problems: list[str] = []
    needed: dict[Oid, str] = {}
    if not args.objects:
        for found in _manifests(args.revision):
            problems += _check_manifest(found, needed)
    if not args.manifests:
        damaged = dict(_damaged(store))
        problems += [
            f'{oid}: {why}{_needed_by(oid, needed)}' for oid, why in damaged.items()
        ]
        problems += [
            f'{oid}: missing{_needed_by(oid, needed)}'
            for oid in needed if oid not in damaged and not store.has(oid)
        ]
    problems = list(dict.fromkeys(problems))
    for problem in problems:
        print(words.printable(problem))
    if problems:
        print(f'{plural(len(problems), "problem")} found')
        return 1
    print(f'{plural(len(needed), "object")} needed, all is well' if needed
          else 'all is well')
    return 0


def _needed_by(oid: Oid, needed: dict[Oid, str]) -> str:
    return f', needed by {needed[oid]}' if oid in needed else ''


def _manifests(revisions: list[str]) -> Iterator[Found]:
    if revisions:
        return history.manifests_in(revisions)
    everything = ['--all', '--reflog']
    if git.attempt('rev-parse', '--verify', '--quiet', 'HEAD').code == 0:
        everything.append('HEAD')
    return chain(history.manifests_in(everything), history.manifests_in_index())


def _check_manifest(found: Found, needed: dict[Oid, str]) -> list[str]:
    """Add the objects of a manifest to those needed; the problems with it."""
    where = f"'{found.path}' (blob {found.blob[:12]})"
    try:
        manifest = manifests.parse(found.data, found.path)
    except ManifestError as e:
        return [f'{where}: {e.message}']
    if manifest.format != manifests.OPAQUE:
        try:
            registry.find(manifest.format)
        except FormatError as e:
            return [f'{where}: {e.message}']
    blobs = [*manifest.chunks, *filter(None, [manifest.skeleton])]
    needed.update((blob.oid, where) for blob in blobs)
    for entry in manifest.tensors.values():
        needed[entry.oid] = f"tensor '{entry.name}' of {where}"
    return []


def _damaged(store: Store) -> Iterator[tuple[Oid, str]]:
    for oid in store:
        try:
            with store.open_here(oid) as file:
                check_digest(file)
        except CorruptObject:
            yield oid, 'damaged'
        except (StoreError, OSError) as e:
            yield oid, f'cannot be read: {e}'
