"""Who changed what: names and oids only, no tensor is read."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic
from typing import Optional
from typing import TypeVar

Value = TypeVar('Value')


class Who(Enum):
    """Where the settled value comes from; MANY: it is not settled yet."""

    NEITHER = 'neither'
    ONE = 'one'
    SAME = 'same'       # several made the same change
    MANY = 'many'


@dataclass(frozen=True)
class Decision(Generic[Value]):
    """``value`` is None where the thing is absent, and for MANY.

    ``changed`` holds the indices of the versions that differ from the base.
    """

    who: Who
    value: Optional[Value]
    changed: tuple[int, ...] = ()


def decide(base: Value | None, *versions: Value | None) -> Decision[Value]:
    """The rule before every method: a change of one version only is its own.

    None stands for absence, on any side.
    """
    changed = tuple(i for i, value in enumerate(versions) if value != base)
    if not changed:
        return Decision(Who.NEITHER, base)
    first = versions[changed[0]]
    if any(versions[i] != first for i in changed):
        return Decision(Who.MANY, None, changed)
    return Decision(Who.ONE if len(changed) == 1 else Who.SAME, first, changed)


def decide_all(
    base: Mapping[str, Value], *versions: Mapping[str, Value],
) -> dict[str, Decision[Value]]:
    """``decide`` for each name there is on any side."""
    names = dict.fromkeys(base)
    for version in versions:
        names.update(dict.fromkeys(version))
    return {
        name: decide(base.get(name), *(version.get(name) for version in versions))
        for name in names
    }
