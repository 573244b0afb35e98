"""Commits and tags on rewritten trees. What is the same keeps its name."""
from __future__ import annotations

from collections.abc import Callable

from git_model_driver.git import raw
from git_model_driver.git.newobjects import Sink
from git_model_driver.git.objects import Objects
from git_model_driver.git.packs import COMMIT
from git_model_driver.git.packs import TAG
from git_model_driver.git.refs import Ref
from git_model_driver.upkeep.migrate import listings as listings_
from git_model_driver.upkeep.migrate.listings import Listings
from git_model_driver.upkeep.migrate.plan import Active
from git_model_driver.upkeep.migrate.plan import Plan
from git_model_driver.upkeep.migrate.trees import NOTHING
from git_model_driver.upkeep.migrate.trees import Trees

Show = Callable[[int, int], None]


def survey(
    listed: list[str], objects: Objects, listings: Listings, trees: Trees, plan: Plan,
    show: Show,
) -> tuple[dict[str, Active], bool]:
    """The patterns that count in each commit, and whether any tree is another one.

    What counts in one commit does in all later ones.
    """
    found: dict[str, Active] = {}
    is_other = False
    same: dict[Active, Active] = {}
    in_order = listings_.commits(listed, objects, listings)
    for done, (oid, commit) in enumerate(in_order, 1):
        active = trees.active_in(commit.tree)
        for parent in commit.parents:
            if parent in found:
                active |= found[parent]
        active = plan.settled(active)
        active = found[oid] = same.setdefault(active, active)
        is_other |= trees.rewritten(commit.tree, active) != commit.tree
        show(done, len(listed))
    plan.refuse_foreign(frozenset().union(*same) if same else NOTHING)
    return found, is_other


class Commits:
    """Writes commits and tags anew; counts what was lost."""

    def __init__(
        self, objects: Objects, listings: Listings, trees: Trees, sink: Sink,
    ) -> None:
        self._objects = objects
        self._listings = listings
        self._trees = trees
        self._sink = sink
        self.new: dict[str, str] = {}       # of all that were looked at
        self._tags: dict[str, str] = {}
        self.signatures = 0
        self.tag_signatures = 0

    @property
    def rewritten(self) -> int:
        return sum(old != new for old, new in self.new.items())

    def rewrite(self, known: dict[str, Active], show: Show) -> None:
        in_order = listings_.commits(list(known), self._objects, self._listings)
        for done, (oid, commit) in enumerate(in_order, 1):
            tree = self._trees.rewritten(commit.tree, known[oid])
            parents = tuple(self.new.get(p, p) for p in commit.parents)
            self.new[oid] = oid
            if (tree, parents) != (commit.tree, commit.parents):
                data, lost = commit.rewritten(tree, parents)
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
