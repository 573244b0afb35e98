"""Which object is based on which."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterable

from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.store.objectfile import ObjectFile

Open = Callable[[Oid], ObjectFile]
DEEPEST = 8            # reading costs a decoding more per level


class Chains:
    """Bases by oid, while objects are encoded anew.

    No chain may become a circle, or longer than ``longest``.
    """

    def __init__(self, bases: Iterable[tuple[Oid, Oid | None]], longest: int) -> None:
        self._bases: dict[Oid, Oid | None] = {}
        self._dependents: dict[Oid, set[Oid]] = defaultdict(set)
        self._longest = longest
        for oid, base in bases:
            self.set(oid, base)

    def __getitem__(self, oid: Oid) -> Oid | None:
        return self._bases.get(oid)

    def set(self, oid: Oid, base: Oid | None) -> None:
        old = self._bases.get(oid)
        if old is not None:
            self._dependents[old].discard(oid)
        self._bases[oid] = base
        if base is not None:
            self._dependents[base].add(oid)

    def above(self, oid: Oid) -> list[Oid]:
        """The base, the base's base, ..."""
        found: list[Oid] = []
        base = self._bases.get(oid)
        while base is not None and base not in found:
            found.append(base)
            base = self._bases.get(base)
        return found

    def may_base(self, oid: Oid, base: Oid) -> bool:
        """Whether ``oid`` may be based on ``base``."""
        above = self.above(base)
        if oid == base or oid in above:
            return False
        return len(above) + 1 + self._height(oid) <= self._longest

    def _height(self, oid: Oid) -> int:
        """Levels of objects that are based on this one, and on those, ..."""
        height, level = -1, {oid}
        while level and height <= self._longest:
            level = {each for one in level for each in self._dependents[one]}
            height += 1
        return height


def chain_here(oid: Oid, open_here: Open) -> list[Oid]:
    """The object and all that it is based on, if more can be based on it; none where
    some of that is not here.
    """
    try:
        with open_here(oid) as file:
            chain = chain_of(file)
    except (StoreError, OSError):
        return []
    return chain if len(chain) <= DEEPEST else []


def chain_of(file: ObjectFile) -> list[Oid]:
    """The object, its base, the base's base, ..."""
    found = [file.oid]
    while file.header.base is not None:
        file = file.base
        found.append(file.oid)
    return found
