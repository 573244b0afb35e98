"""The last commit that changed each tensor of a model.

As in git blame: what is the same in a parent is the parent's. In a merge a tensor
that one of the parents has is that parent's, so that only what no parent has is the
merge's own. A file that got its name in a commit is followed to the name it had.
"""
from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
from typing import NamedTuple

from git_model_driver.git import ancestry
from git_model_driver.git.ancestry import Node
from git_model_driver.git.progress import NOBODY
from git_model_driver.git.progress import Meter
from git_model_driver.history.parts import Versions


class Origin(NamedTuple):
    """A commit and what it calls the file."""

    commit: str
    path: str


class _Step(NamedTuple):
    """A version to go back from, and the tensors that are looked for."""

    revision: str
    path: str
    names: frozenset[str]


def origins(
    lines: Mapping[str, bytes], revision: str, path: str, versions: Versions,
    meter: Meter = NOBODY,
) -> dict[str, Origin]:
    """Where each tensor comes from.

    ``lines`` are those of the version at ``revision`` (parts.named), all or some.
    ``meter`` is told how many have been found.
    """
    found: dict[str, Origin] = {}
    steps = [_Step(revision, path, frozenset(lines))]
    while steps:
        walk = _Walk(steps.pop(), lines, versions, meter)
        found.update(walk.found)
        steps += walk.beyond
    return found


class _Walk:
    """Back along the history of one path."""

    def __init__(
        self, step: _Step, lines: Mapping[str, bytes], versions: Versions,
        meter: Meter,
    ) -> None:
        self._path = step.path
        self._lines = lines
        self._versions = versions
        self._meter = meter
        self.found: dict[str, Origin] = {}
        self.beyond: list[_Step] = []
        nodes = ancestry.of_path(step.revision, step.path)
        self._blobs = {node.commit: node.blob for node in nodes}
        self._waiting: dict[str, set[str]] = {}
        if nodes:
            self._waiting[nodes[0].commit] = set(step.names)
        for node in nodes:
            names = self._waiting.pop(node.commit, set())
            if names:
                self._ask_parents(node, names)
            elif not self._waiting:
                break

    def _ask_parents(self, node: Node, names: set[str]) -> None:
        for parent in node.parents:
            if self._blobs[parent] == node.blob:
                self._waiting.setdefault(parent, set()).update(names)
                return
        for parent in node.parents:
            kept = self._kept(names, self._blobs[parent])
            self._waiting.setdefault(parent, set()).update(kept)
            names -= kept
        if not any(self._blobs[parent] for parent in node.parents):
            names -= self._renamed(node, names)
        self._meter.add(len(names))
        self.found.update(dict.fromkeys(names, Origin(node.commit, self._path)))

    def _kept(self, names: Collection[str], blob: str | None) -> set[str]:
        there = self._versions.lines(blob)
        return {name for name in names if self._lines[name] in there}

    def _renamed(self, node: Node, names: set[str]) -> set[str]:
        """The tensors that the file had under another name before."""
        gone: set[str] = set()
        for parent, old in ancestry.renamed_from(node.commit, self._path):
            blob = ancestry.blob_at(parent, old)
            kept = self._kept(names - gone, blob)
            if kept:
                self.beyond.append(_Step(parent, old, frozenset(kept)))
            gone |= kept
        return gone
