"""Check that manifests can be read and that their tensors are here and whole.

All that a branch, tag, stash, reflog or the index of a worktree has, unless
revisions are given. Exit code 1 if there is a problem. Nothing is changed without
--repair: it looks for what is damaged or missing in other repositories (alternates,
remotes that are directories), in models of all worktrees, in models that were
committed without the filter, and in what was set aside before. What is damaged is
kept in damaged/ in the store, which may be deleted when all is well.

With --remote the tensors are not looked for here but on that remote, those of all its
branches that were fetched or pushed.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import FormatError
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.filters import mending
from git_model_driver.filters import naming
from git_model_driver.formats import registry
from git_model_driver.git import history
from git_model_driver.git import provenance
from git_model_driver.git import repository as repositories
from git_model_driver.git import roots
from git_model_driver.git.history import Found
from git_model_driver.git.repository import Repository
from git_model_driver.render.amounts import plural
from git_model_driver.store.examine import MISSING
from git_model_driver.store.examine import Examination
from git_model_driver.store.examine import Fault
from git_model_driver.store.objects import Store
from git_model_driver.transfer.locate import store_of
from git_model_driver.transfer.remotes import Remotes
from git_model_driver.upkeep import remotecheck


class Need(NamedTuple):
    """What an object is, and in which manifest."""

    what: str
    blob: str


Needed = dict[Oid, Need]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('revision', nargs='*', help='commits or ranges (A..B)')
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--manifests', action='store_true',
                       help='check manifests only, not the store')
    which.add_argument('--objects', action='store_true',
                       help='check the store only')
    parser.add_argument('--repair', action='store_true',
                        help='get back what is damaged or missing')
    which.add_argument('--remote', metavar='<name>',
                       help='check what a remote has, by fetching and reading it all')
    parser.add_argument('--fast', action='store_true',
                        help='with --remote: only whether it is there')


def run(args: argparse.Namespace) -> int:
    roots.see_what_was_replaced()
    repository = repositories.find()
    if args.remote:
        return _check_remote(args, repository)
    store = store_of(repository)
    needed: Needed = {}
    problems = [] if args.objects else _check_manifests(args.revision, needed)
    if not args.manifests:
        faults = Examination(store).faults([*store, *needed])
        if faults and args.repair:
            for line in mending.mend(repository, store, faults, _not_to_lose(store)):
                print(words.printable(line))
            faults = Examination(store).faults([*store, *needed])
        problems += _said(faults, needed, repository, store)
    return _tell(problems, len(needed))


def _tell(problems: list[str], objects: int) -> int:
    for problem in problems:
        print(words.printable(problem))
    if problems:
        print(f'{plural(len(problems), "problem")} found')
        return 1
    print(f'{plural(objects, "object")} needed, all is well' if objects
          else 'all is well')
    return 0


def _check_remote(args: argparse.Namespace, repository: Repository) -> int:
    """Of what we know that remote to have, or the revisions."""
    remotes = Remotes(repository)
    remote = remotes.find(remotes.address(args.remote))
    if remote is None:
        raise GitModelError(
            f"'{args.remote}' has no store for tensors",
            f'see "git config --get remote.{args.remote}.modelStore"',
        )
    needed: Needed = {}
    problems = _check_manifests(
        args.revision or [f'--remotes={args.remote}'], needed,
    )
    found = remotecheck.faults(
        remote, list(needed), repository.store_root / 'tmp', read=not args.fast,
    )
    faults = [Fault(oid, f'{why} on {remote.label}', None, ()) for oid, why in found]
    problems += _said(faults, needed, repository, Store(repository.store_root))
    if any(fault.why.startswith(MISSING) for fault in faults):
        print('hint: send again what is here: git model push '
              f'{words.shell(args.remote)}', file=sys.stderr)
    return _tell(problems, len(needed))


def _not_to_lose(store: Store) -> Collection[Oid]:
    """What any version needs, whatever was asked to be checked."""
    needed: Needed = {}
    if _check_manifests([], needed):
        return {*needed, *store}        # one that cannot be read may need anything
    return needed.keys()


def _check_manifests(revisions: list[str], needed: Needed) -> list[str]:
    """Add the objects of manifests to those needed; the problems with these."""
    problems: dict[str, None] = {}
    for found in history.manifests_in(revisions or history.everything()):
        try:
            manifest = _parse(found)
        except (ManifestError, FormatError) as e:
            problems[f"'{found.path}' (blob {found.blob[:12]}): {e.message}"] = None
            continue
        for oid, name in naming.parts(manifest):
            needed[oid] = Need(f"{name} of '{found.path}'", found.blob)
    return list(problems)


def _parse(found: Found) -> Manifest:
    manifest = manifests.parse(found.data, found.path)
    if manifest.format != manifests.OPAQUE:
        registry.find(manifest.format)
    return manifest


def _said(
    faults: list[Fault], needed: Needed, repository: Repository, store: Store,
) -> list[str]:
    """A line for each culprit, and what to do where that is another repository's."""
    needs = {fault.oid: _need(fault, needed) for fault in faults}
    places = provenance.places_of(
        {need.blob for need in needs.values() if need}, repository.top,
    )
    lines = []
    for fault in faults:
        line = f'{fault.oid}: {fault.why}'
        if fault.place not in (None, store.root):
            line += f" in '{fault.place}'"
        if need := needs[fault.oid]:
            place = places.get(need.blob, f'(blob {need.blob[:12]})')
            line += f', needed by {need.what} {place}'
        if fault.dependents:
            n = len(fault.dependents)
            line += f'; {plural(n, "object")} {"is" if n == 1 else "are"} based on it'
        lines.append(line)
    for root in sorted({f.place for f in faults if f.place} - {store.root}):
        _point_to(root)
    if any(fault.why == MISSING for fault in faults):
        for hint in store.gone():
            print(f'hint: {words.printable(hint)}', file=sys.stderr)
    return lines


def _need(fault: Fault, needed: Needed) -> Need | None:
    """Who needs the object itself, or else what is based on it."""
    oids = (fault.oid, *fault.dependents)
    return next((needed[oid] for oid in oids if oid in needed), None)


def _point_to(root: Path) -> None:
    folder = words.shell(str(root.parent))
    print(f'hint: mend it there too: git -C {folder} model fsck --repair',
          file=sys.stderr)
