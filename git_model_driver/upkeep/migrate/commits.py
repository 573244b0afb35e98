"""Commits and tags on rewritten trees. What is the same keeps its name."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.git import raw
from git_model_driver.git.newobjects import Sink
from git_model_driver.git.objects import Objects
from git_model_driver.git.packs import COMMIT
from git_model_driver.git.packs import TAG
from git_model_driver.git.refs import Ref
from git_model_driver.upkeep.migrate.plan import Active
from git_model_driver.upkeep.migrate.plan import Plan
from git_model_driver.upkeep.migrate.trees import NOTHING
from git_model_driver.upkeep.migrate.trees import Trees

Show = Callable[[int, int], None]


class Known(NamedTuple):
    """What a commit is made of, and the patterns that count in it."""

    tree: str
    parents: tuple[str, ...]
    active: Active


def survey(
    listed: Sequence[str], objects: Objects, trees: Trees, plan: Plan, show: Show,
) -> dict[str, Known]:
    """All commits, parents first. A pattern that counts in one does in all later ones.
    """
    found: dict[str, Known] = {}
    same: dict[Active, Active] = {}
    for done, oid in enumerate(listed, 1):
        commit = raw.commit(objects.read(oid)[1], oid)
        active = trees.active_in(commit.tree)
        for parent in commit.parents:
            if parent in found:
                active |= found[parent].active
        active = plan.settled(active)
        active = same.setdefault(active, active)
        trees.rewritten(commit.tree, active)
        found[oid] = Known(commit.tree, commit.parents, active)
        show(done, len(listed))
    plan.refuse_foreign(frozenset().union(*same) if same else NOTHING)
    return found


class Commits:
    """Writes commits and tags anew; counts what was lost."""

    def __init__(self, objects: Objects, trees: Trees, sink: Sink) -> None:
        self._objects = objects
        self._trees = trees
        self._sink = sink
        self.new: dict[str, str] = {}       # of all that were looked at
        self._tags: dict[str, str] = {}
        self.signatures = 0
        self.tag_signatures = 0

    @property
    def rewritten(self) -> int:
        return sum(old != new for old, new in self.new.items())

    def rewrite(self, known: dict[str, Known], show: Show) -> None:
        for done, (oid, commit) in enumerate(known.items(), 1):
            tree = self._trees.rewritten(commit.tree, commit.active)
            parents = tuple(self.new.get(p, p) for p in commit.parents)
            self.new[oid] = oid
            if (tree, parents) != (commit.tree, commit.parents):
                old = raw.commit(self._objects.read(oid)[1], oid)
                data, lost = old.rewritten(tree, parents)
                self.new[oid] = self._sink.add(COMMIT, data)
                self.signatures += lost > 0
            show(done, len(known))

    def of_ref(self, ref: Ref) -> str:
        """What a ref is to point to: tags are rewritten, too."""
        return self._tag(ref.oid) if ref.kind == 'tag' else self.new.get(
            ref.oid, ref.oid,
        )

    def _tag(self, oid: str) -> str:
        if oid not in self._tags:
            tag = raw.tag(self._objects.read(oid)[1])
            target = self.new.get(tag.oid, tag.oid)
            if tag.kind == 'tag':
                target = self._tag(tag.oid)
            self._tags[oid] = oid
            if target != tag.oid:
                data, lost = tag.rewritten(target)
                self._tags[oid] = self._sink.add(TAG, data)
                self.tag_signatures += lost
        return self._tags[oid]
