"""How a version came to be: what its commit's message and dates tell."""
from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple
from typing import Optional

from git_model_driver.core import trailer
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.trailer import Way
from git_model_driver.git.ancestry import Commit
from git_model_driver.merging import rulefiles
from git_model_driver.merging.keys import WEIGHTS
from git_model_driver.merging.methods import METHODS
from git_model_driver.merging.rules import Rules

COMMITTED, MERGED, PICKED = 'committed', 'merged', 'cherry-picked'
REVERTED, REWRITTEN = 'reverted', 'rewritten'
_REVERTS = re.compile(r'^This reverts commit ([0-9a-f]{7,64})', re.MULTILINE)
_PICKED = re.compile(
    r'^\(cherry picked from commit ([0-9a-f]{7,64})\)$', re.MULTILINE,
)
_SIDES, _PLAIN = ('ours', 'theirs'), 'linear'


class How(NamedTuple):
    """``kind`` is one of the words above.

    ``methods`` merged it: one of these, where it cannot be known which. ``weights`` are
    those that rules gave the versions (ours, theirs), None where they gave none, or
    others to other tensors, and it cannot be known which. ``of`` is the commit that was
    reverted or picked, ``note`` the trailer of the merge.
    """

    kind: str
    methods: tuple[str, ...] = ()
    weights: Optional[tuple[float, ...]] = None
    of: str = ''
    note: str = ''


class Reasons:
    """Tells how commits came; asks for the rules of each merge once."""

    def __init__(self) -> None:
        self._rules: dict[str, Rules | None] = {}

    def of(self, commit: Commit, path: str, tensor: str | None = None) -> How:
        """How the model at a path, or a tensor of it, came with a commit."""
        if len(commit.parents) > 1:
            return self._merge(commit, path, tensor)
        for kind, pattern in ((REVERTED, _REVERTS), (PICKED, _PICKED)):
            found = pattern.search(commit.message)
            if found:
                return How(kind, of=found[1])
        # A rebase, a cherry-pick and an amended commit keep the author's date.
        same = commit.written == commit.applied
        return How(COMMITTED if same else REWRITTEN)

    def _merge(self, commit: Commit, path: str, tensor: str | None) -> How:
        note = trailer_of(commit, path)
        said = trailer.parsed(note)
        ways = said.ways
        if tensor is not None:
            # What was taken from a side is that parent's, and no merge's own.
            ways = tuple(way for way in ways if way.method not in _SIDES)
            # A person may have settled this one, or changed it by git commit --amend.
            if said.by_hand or commit.written != commit.applied:
                ways = ()
            elif len(ways) > 1 and not said.others:
                ways = self._likely(ways, commit.parents, tensor)
        methods = tuple(dict.fromkeys(way.method for way in ways))
        weights = ways[0].weights if len(ways) == 1 else None
        numbers = None if weights is None else tuple(map(float, weights))
        return How(MERGED, methods, numbers, note=note)

    def _likely(
        self, ways: tuple[Way, ...], parents: Sequence[str], tensor: str,
    ) -> tuple[Way, ...]:
        """Those of the ways by which the rules of that time had the tensor merged."""
        rules = self._rules_of(parents[0])
        if rules is None:
            return ways
        try:
            choice = rules.choose(tensor)
            # A rule for all gives way to linear where a tensor is small, and any rule
            # to what a class of tensors needs.
            is_sure = choice.specific or choice.method == _PLAIN
            methods = {way.method for way in ways}
            if len(methods) > 1 and not (is_sure and methods <= {*METHODS}):
                return ways
            ways = tuple(way for way in ways if way.method == choice.method) or ways
            if rules.is_graded(tensor):
                return ways     # by layer: how many there were is not known
            given = any(key in choice.parameters for key in WEIGHTS)
            way = Way(choice.method, choice.weights(len(parents)) if given else None)
            spoken = trailer.parsed(*trailer.ways({way: 1})).ways
            return spoken if spoken[0] in ways else ways
        except (GitModelError, ValueError):
            return ways

    def _rules_of(self, commit: str) -> Rules | None:
        if commit not in self._rules:
            try:
                self._rules[commit] = rulefiles.of_commit(commit)
            except GitModelError:
                self._rules[commit] = None
        return self._rules[commit]


def trailer_of(commit: Commit, path: str) -> str:
    """What the trailer Model-Merge says of a path, '' if there is none."""
    head = f'{json.dumps(path)[1:-1]}: '
    for value in reversed(commit.merges):   # a rebase adds one to the old
        if value.startswith(head):
            return value.removeprefix(head)
    return ''
