"""What is in trees: read many at a time, since each question costs a change of process.
"""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator

from git_model_driver.git import raw
from git_model_driver.git.objects import Objects
from git_model_driver.git.raw import Commit
from git_model_driver.git.raw import Entry

_TOGETHER = 500     # commits
_MOST_ENTRIES = 200_000


class Listings:
    """The entries of trees; the last ones are kept."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._known: dict[str, list[Entry]] = {}
        self._entries = 0

    def of(self, tree: str) -> list[Entry]:
        found = self._known.get(tree)
        return self._keep(tree, self._objects.read(tree)[1]) if found is None else found

    def _keep(self, tree: str, data: bytes) -> list[Entry]:
        found = self._known[tree] = raw.entries(data, len(tree) // 2)
        self._entries += len(found)
        while self._entries > _MOST_ENTRIES and len(self._known) > 1:
            oldest = next(iter(self._known))
            self._entries -= len(self._known.pop(oldest))
        return found

    def expect(self, trees: Iterable[str]) -> None:
        """Read whole trees, level by level, as far as they are new."""
        level = [tree for tree in dict.fromkeys(trees) if tree not in self._known]
        while level:
            below: dict[str, None] = {}
            for tree, data in zip(level, self._objects.read_all(level)):
                for entry in self._keep(tree, data):
                    if entry.is_folder and entry.oid not in self._known:
                        below[entry.oid] = None
            level = list(below)


def commits(
    listed: list[str], objects: Objects, listings: Listings,
) -> Iterator[tuple[str, Commit]]:
    """Commits in this order, with the trees of the next ones at hand."""
    for start in range(0, len(listed), _TOGETHER):
        some = listed[start:start + _TOGETHER]
        found = [
            raw.commit(data, oid) for oid, data in zip(some, objects.read_all(some))
        ]
        listings.expect(commit.tree for commit in found)
        yield from zip(some, found)
