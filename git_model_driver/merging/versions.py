"""What a merge is given: the versions, and what it works with."""
from __future__ import annotations

from typing import NamedTuple
from typing import Optional

from git_model_driver.core.model import Manifest
from git_model_driver.merging import fisher
from git_model_driver.merging.fisher import Fisher
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.units.base import Siblings
from git_model_driver.store.objects import Store

SIDES = ('base', 'ours', 'theirs')
_ABSENT = Manifest('')


class Versions(NamedTuple):
    """All sides; base is None where there is no common ancestor.

    Two versions are ours and theirs; more are HEAD and the other heads.
    """

    base: Optional[Manifest]
    sides: tuple[Manifest, ...]
    labels: tuple[str, ...] = ('ours', 'theirs')

    @property
    def ancestor(self) -> Manifest:
        return self.base or _ABSENT

    @property
    def ours(self) -> Manifest:
        return self.sides[0]

    @property
    def theirs(self) -> Manifest:
        return self.sides[1]


class Nothing:
    """No file beside the model is known."""

    def read(self, side: int, name: str) -> bytes | None:
        return None


class Means(NamedTuple):
    """What a merge works with, beside the versions."""

    rules: Rules
    store: Store
    siblings: Siblings = Nothing()
    fisher: Optional[Fisher] = None
    scratch: Optional[Store] = None     # has the tensors that were made for the merge


def means_for(
    path: str, rules: Rules, store: Store, siblings: Siblings, n: int,
) -> Means:
    """What a merge of n versions of the file at ``path`` works with."""
    rules = fisher.rules_for(path, rules)
    return Means(rules, store, siblings, fisher.find(rules, siblings, n, path))
