"""What a unit is: tensors that are merged together, and who merges them."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple
from typing import Protocol

from git_model_driver.core.model import Entry

if TYPE_CHECKING:
    from git_model_driver.merging.rules import Choice

Side = Mapping[str, Entry]


class Unsettled(Exception):
    """The values cannot be combined; the message says why."""


class Siblings(Protocol):
    """Files beside the model in the commits that are merged."""

    def read(self, side: int, name: str) -> bytes | None:
        """The file's content; side -1 is base, 0 and on are the versions."""


class Case(NamedTuple):
    """A unit as each side has it: entries by name, {} where there is nothing."""

    names: tuple[str, ...]
    base: Side
    versions: tuple[Side, ...]

    def only(self, name: str) -> tuple[Entry | None, list[Entry | None]]:
        """One tensor of it: in base, and in each version."""
        return self.base.get(name), [side.get(name) for side in self.versions]


class Desk(Protocol):
    """What a handler works with (merging.desk)."""

    operation: str
    labels: Sequence[str]
    siblings: Siblings

    def choose(self, name: str) -> Choice: ...

    def weights(self, name: str) -> list[Fraction]:
        """The versions' weights, as the rules give them. Raises Unsettled."""

    def shares(self, name: str) -> tuple[Fraction, ...]:
        """The versions' weights, normalised."""

    def load(self, entry: Entry) -> Any:
        """The whole tensor, in its own dtype and shape."""

    def save(self, array: Any, like: Entry) -> Entry:
        """Store an array of the dtype of ``like``; its entry has its own shape."""

    def merge(
        self, name: str, base: Entry | None, versions: Sequence[Entry],
    ) -> Entry:
        """The ordinary merge of floats, by the rules for that name."""

    def blend(self, name: str, base: Any, arrays: Sequence[Any]) -> Any:
        """The same for arrays of one shape and dtype in memory; base may be None."""

    def note(self, text: str) -> None:
        """A line for the report."""


Settle = Callable[[Case, Desk], dict[str, Entry]]
