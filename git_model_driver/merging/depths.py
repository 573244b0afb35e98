"""How deep in a model a tensor lies, for parameters that change with depth."""
from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

_LAYER = re.compile(r'(?:^|[./])([0-9]+)(?=[./]|$)')


class Depths:
    """How deep in a model a tensor lies: 0 for its first layer, 1 for its last.

    The layer is the first all-digit part of the name; names without one count as 0
    where they say that they embed, as 1 elsewhere. mergekit's gradients: 0.1.5.
    """

    _EMBEDS = re.compile('embed|wte|wpe|patch|stem')

    def __init__(self, names: Iterable[str]) -> None:
        self._layers: dict[str, int] = {}
        for name in names:
            prefix, index = self._place(name)
            if index is not None:
                self._layers[prefix] = max(index, self._layers.get(prefix, 0))

    @staticmethod
    def _place(name: str) -> tuple[str, int | None]:
        found = _LAYER.search(name)
        if found is None or len(found[1]) > 9:
            return '', None
        return name[:found.start(1)], int(found[1])

    def of(self, name: str) -> Fraction:
        prefix, index = self._place(name)
        if index is None:
            return Fraction(0) if self._EMBEDS.search(name.lower()) else Fraction(1)
        last = max(self._layers.get(prefix, 0), index)
        return Fraction(index, last) if last else Fraction(0)
