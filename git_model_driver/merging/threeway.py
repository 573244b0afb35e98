"""Who changed what: names and oids only, no tensor is read."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic
from typing import Optional
from typing import TypeVar

from git_model_driver.core.manifest import Entry

Value = TypeVar('Value')


class Who(Enum):
    """Where the settled value comes from; BOTH: it is not settled yet."""

    NEITHER = 'neither'
    OURS = 'ours'
    THEIRS = 'theirs'
    SAME = 'same'       # both sides made the same change
    BOTH = 'both'


@dataclass(frozen=True)
class Decision(Generic[Value]):
    """``value`` is None where the thing is absent, and for BOTH."""

    who: Who
    value: Optional[Value]


Sides = tuple[Optional[Entry], Optional[Entry], Optional[Entry]]


def decide(
    base: Value | None, ours: Value | None, theirs: Value | None,
) -> Decision[Value]:
    """The rule before every method: a change of one side only is that side's."""
    if ours == theirs:
        return Decision(Who.NEITHER if ours == base else Who.SAME, ours)
    if ours == base:
        return Decision(Who.THEIRS, theirs)
    if theirs == base:
        return Decision(Who.OURS, ours)
    return Decision(Who.BOTH, None)


def decide_all(
    base: Mapping[str, Value],
    ours: Mapping[str, Value],
    theirs: Mapping[str, Value],
) -> dict[str, Decision[Value]]:
    """``decide`` for each name there is on any side."""
    names = {**base, **ours, **theirs}
    return {
        name: decide(base.get(name), ours.get(name), theirs.get(name))
        for name in names
    }
