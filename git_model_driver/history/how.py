"""How a version came to be: what its commit's message and dates tell."""
from __future__ import annotations

import json
import re
from typing import NamedTuple
from typing import Optional

from git_model_driver.core.errors import GitModelError
from git_model_driver.git.ancestry import Commit
from git_model_driver.merging import rulefiles
from git_model_driver.merging.methods import PICKS
from git_model_driver.merging.rules import Rules

COMMITTED, MERGED, PICKED = 'committed', 'merged', 'cherry-picked'
REVERTED, REWRITTEN = 'reverted', 'rewritten'
_REVERTS = re.compile(r'^This reverts commit ([0-9a-f]{7,64})', re.MULTILINE)
_PICKED = re.compile(
    r'^\(cherry picked from commit ([0-9a-f]{7,64})\)$', re.MULTILINE,
)
_METHOD = re.compile(r'\b[0-9]+ by ([\w+-]+)')


class How(NamedTuple):
    """``kind`` is one of the words above.

    ``methods`` merged (of a model, or of one tensor where that is known); ``weights``
    are those that .gitmodel gives for it (ours, theirs), None where it gives none.
    ``of`` is the commit that was reverted or picked, ``note`` the trailer of the merge.
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
        methods = tuple(_METHOD.findall(note.partition(';')[0]))
        how = How(MERGED, methods, note=note)
        if tensor is None or not methods:
            return how
        return self._of_tensor(how, commit.parents[0], tensor)

    def _of_tensor(self, how: How, ours: str, tensor: str) -> How:
        """With the rules of that time, where they agree with the trailer."""
        rules = self._rules_of(ours)
        if rules is None:
            return how
        try:
            choice = rules.choose(tensor)
            if choice.method not in how.methods or choice.method in PICKS:
                return how
            given = {'weight', 'weights', 'ours-weight', 'theirs-weight'}
            weights = None
            if given & choice.parameters.keys():
                weights = tuple(float(weight) for weight in choice.weights(2))
            return how._replace(methods=(choice.method,), weights=weights)
        except (GitModelError, ValueError):
            return how

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
    for value in commit.merges:
        if value.startswith(head):
            return value.removeprefix(head)
    return ''
