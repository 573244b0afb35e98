"""A whole migration: nothing is changed before everything is known to be there.

New objects come first, then all refs in one step, then index and worktree. Cut short
before the refs, there is nothing but objects that nobody needs.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import filtering
from git_model_driver.git import history
from git_model_driver.git import refs
from git_model_driver.git import replacing
from git_model_driver.git import run
from git_model_driver.git import settings
from git_model_driver.git.newobjects import Named
from git_model_driver.git.newobjects import Packed
from git_model_driver.git.newobjects import Sink
from git_model_driver.git.objects import BlobWriter
from git_model_driver.git.objects import Objects
from git_model_driver.git.refs import Change
from git_model_driver.git.refs import Ref
from git_model_driver.git.repository import Repository
from git_model_driver.store.lock import locked
from git_model_driver.store.objects import Store
from git_model_driver.store.places import Places
from git_model_driver.upkeep.migrate import backup
from git_model_driver.upkeep.migrate import exporting
from git_model_driver.upkeep.migrate import importing
from git_model_driver.upkeep.migrate import plan as plans
from git_model_driver.upkeep.migrate.backup import Backup
from git_model_driver.upkeep.migrate.commits import Commits
from git_model_driver.upkeep.migrate.commits import survey
from git_model_driver.upkeep.migrate.content import Contents
from git_model_driver.upkeep.migrate.exporting import Exporter
from git_model_driver.upkeep.migrate.importing import Importer
from git_model_driver.upkeep.migrate.kinds import MANIFEST
from git_model_driver.upkeep.migrate.kinds import POINTER
from git_model_driver.upkeep.migrate.kinds import RAW
from git_model_driver.upkeep.migrate.kinds import Kinds
from git_model_driver.upkeep.migrate.listings import Listings
from git_model_driver.upkeep.migrate.options import Options
from git_model_driver.upkeep.migrate.options import ignores_case
from git_model_driver.upkeep.migrate.options import patterns_of
from git_model_driver.upkeep.migrate.options import tips_of
from git_model_driver.upkeep.migrate.plan import LFS
from git_model_driver.upkeep.migrate.plan import MODEL
from git_model_driver.upkeep.migrate.plan import Active
from git_model_driver.upkeep.migrate.plan import Plan
from git_model_driver.upkeep.migrate.pointers import Media
from git_model_driver.upkeep.migrate.trees import Convert
from git_model_driver.upkeep.migrate.trees import File
from git_model_driver.upkeep.migrate.trees import Trees

Show = Callable[[str, int, int], None]


class Outcome(NamedTuple):
    """What was done. ``undo`` is a command; ``left`` says which refs are as before."""

    total: int
    rewritten: int
    versions: int
    nbytes: int
    changes: Sequence[Change] = ()
    signatures: int = 0
    tag_signatures: int = 0
    damaged: int = 0
    bundle: str = ''
    undo: str = ''
    left: Sequence[str] = ()


def migrate(
    repository: Repository, store: Store, options: Options, show: Show,
) -> Outcome:
    """Rewrite history. Raises GitModelError, mostly before anything is changed."""
    backup.refuse_pending(repository)
    replacing.refuse_unfinished(repository)
    if repository.top is not None:
        replacing.refuse_dirty(repository.top)
    tips = tips_of(options)
    replacing.refuse_incomplete([tip.oid for tip in tips])
    replacing.refuse_elsewhere(repository, [tip.name for tip in tips])
    backup.refuse_second(options.force)
    Places(store.root).folder(store.root)
    with locked(store.root), Objects() as objects:
        plan = _plan(options, tips, objects)
        return _Migration(repository, store, options, plan, objects, show).run(tips)


def _plan(options: Options, tips: Sequence[Ref], objects: Objects) -> Plan:
    is_import = options.to == MODEL
    patterns = []
    if is_import or options.include:
        patterns = patterns_of(options, tips, objects)
    excluded = plans.given(options.exclude)
    exact = bool(options.include)
    return Plan(LFS if is_import else MODEL, options.to, patterns, excluded, exact)


class _Migration:
    """One, with what all its steps need."""

    def __init__(
        self, repository: Repository, store: Store, options: Options, plan: Plan,
        objects: Objects, show: Show,
    ) -> None:
        self._repository = repository
        self._store = store
        self._options = options
        self._plan = plan
        self._objects = objects
        self._show = show
        self._listings = Listings(objects)
        self._kinds = Kinds(objects)
        self._media = Media(repository)
        self._fold = ignores_case()

    def run(self, tips: Sequence[Ref]) -> Outcome:
        listed = history.commits(tip.oid for tip in tips)
        wanted: dict[str, bytes] = {}

        def note(file: File) -> str:
            wanted.setdefault(file.oid, file.path)
            return file.oid

        known, is_other = self._survey(listed, note)
        if not is_other and not self._converts_any(wanted):
            return Outcome(len(listed), 0, 0, 0)
        self._refuse_without_filter()
        damaged = self._refuse_missing(wanted)
        head = refs.head()
        is_checked_out = self._repository.top is not None and head in tips
        if head is not None and is_checked_out:
            self._refuse_untracked(head)
        kept = Backup(self._repository, is_checked_out)
        kept.keep([tip.name for tip in tips], self._options.bundle)
        with self._converter() as (converter, sink):
            trees = self._trees(sink, converter.convert)
            commits = Commits(self._objects, self._listings, trees, sink)
            commits.rewrite(known, self._meter('Rewriting'))
            changes = [
                Change(tip.name, tip.oid, new) for tip in tips
                if (new := commits.of_ref(tip)) != tip.oid
            ]
        if not changes:
            kept.drop()
            return Outcome(len(listed), 0, 0, 0)
        kept.change_refs(changes, f'git model migrate to {self._options.to.decode()}')
        if head is not None and is_checked_out:
            self._bring(head, changes)
        kept.done()
        return Outcome(
            len(listed), commits.rewritten, converter.versions, converter.nbytes,
            changes, commits.signatures, commits.tag_signatures, damaged,
            str(kept.bundle) if self._options.bundle else '', kept.undo,
            backup.left_behind(change.name for change in changes),
        )

    def _meter(self, what: str) -> Callable[[int, int], None]:
        return lambda done, all_: self._show(f'{what} at commits', done, all_)

    def _trees(self, sink: Sink, convert: Convert) -> Trees:
        return Trees(
            self._objects, self._listings, self._plan, sink, convert, self._fold,
        )

    def _survey(
        self, listed: list[str], note: Convert,
    ) -> tuple[dict[str, Active], bool]:
        return survey(
            listed, self._objects, self._listings,
            self._trees(Named(self._repository.algorithm), note),
            self._plan, self._meter('Looking'),
        )

    def _converts_any(self, wanted: dict[str, bytes]) -> bool:
        self._kinds.learn(wanted)
        kinds = (RAW, POINTER) if self._plan.is_import else (MANIFEST,)
        return any(self._kinds.of(blob) in kinds for blob in wanted)

    def _refuse_missing(self, wanted: dict[str, bytes]) -> int:
        if self._plan.is_import:
            importing.refuse_missing(wanted, self._kinds, self._media)
            return 0
        return exporting.refuse_missing(
            wanted, self._objects, self._kinds, self._store,
        )

    def _refuse_without_filter(self) -> None:
        """What is checked out must be seen as what it will be."""
        if self._repository.top is None:
            return
        if self._plan.is_import and not settings.in_force('filter.model.process'):
            raise GitModelError(
                'the filter is not set up here',
                'set it up with "git model install --local"',
            )
        if self._options.to == LFS and not settings.in_force('filter.lfs.clean'):
            raise GitModelError(
                'Git LFS is not set up here',
                'set it up with "git lfs install --local"',
            )

    def _refuse_untracked(self, head: Ref) -> None:
        name = os.fsdecode(filtering.NAME)
        top = self._repository.top
        if top is None or not os.path.lexists(top / name):
            return
        if run.attempt('cat-file', '-e', f'{head.oid}:{name}').code:
            raise GitModelError(
                f"'{name}' is not committed, and would be overwritten",
                f'commit it with "git add {name} && git commit"',
            )

    @contextmanager
    def _converter(self) -> Iterator[tuple[Importer | Exporter, Sink]]:
        store, kinds = self._store, self._kinds
        with ExitStack() as stack:
            sink = stack.enter_context(Packed(self._repository))
            if self._plan.is_import:
                contents = Contents(self._objects, kinds, store, self._media)
                stack.enter_context(contents)
                yield Importer(contents, kinds, store, sink), sink
                return
            is_lfs = self._options.to == LFS
            folder = (self._media.root if is_lfs else store.root) / 'tmp'
            folder.mkdir(parents=True, exist_ok=True)
            blobs = stack.enter_context(BlobWriter(self._repository, folder))
            media = self._media if is_lfs else None
            yield Exporter(
                self._objects, kinds, store, sink, blobs, folder, media,
            ), sink

    def _bring(self, head: Ref, changes: Sequence[Change]) -> None:
        """Bring what is checked out to where it is now."""
        for change in changes:
            if change.name == head.name and self._repository.top is not None:
                assert change.old and change.new
                replacing.bring(self._repository.top, change.old, change.new)
