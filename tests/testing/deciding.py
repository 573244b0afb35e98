"""Merging entries by one choice for all tensors, without a repository."""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from typing import cast

from git_model_driver.core.model import Entry
from git_model_driver.git.operation import APPLY
from git_model_driver.git.operation import MERGE
from git_model_driver.merging.desk import Desk
from git_model_driver.merging.desk import Room
from git_model_driver.merging.rules import Choice
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.versions import Nothing
from git_model_driver.store.objects import Store

LABELS = ('ours', 'theirs', 'third', 'fourth')


class Fixed:
    """Rules that say the same for every tensor."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self.operation = APPLY if choice.method == 'apply' else MERGE

    def choose(self, name: str) -> Choice:
        return self._choice

    def for_names(self, names: Iterable[str]) -> Fixed:
        return self


def fixed(choice: Choice) -> Rules:
    return cast(Rules, Fixed(choice))


def merge(store: Store, choice: Choice, base: Entry | None,
          versions: Sequence[Entry]) -> Entry:
    """One tensor by the ordinary merge."""
    with store.batch() as batch:
        labels = LABELS[:len(versions)]
        room = Room(fixed(choice), labels, Nothing(), store, batch)
        desk = Desk(room, range(len(versions)))
        return desk.merge(versions[0].name, base, versions)


