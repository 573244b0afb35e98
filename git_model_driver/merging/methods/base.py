"""What a merge method is: a module of this shape (merging.methods lists them).

A method sees one tensor of each version as a row of numbers, in blocks. What it
must know of the whole tensor (a norm, a threshold) it finds out in passes of its
own, in ``plan``; what ``plan`` returns then makes the result, block by block.
"""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from fractions import Fraction
from typing import Any
from typing import NamedTuple
from typing import Optional
from typing import Protocol

Parameters = Mapping[str, Any]


class Block(NamedTuple):
    """The same elements of every side, from the flat index ``start`` on.

    1-d arrays of float32, float64, complex64 or complex128; base may be None.
    Whoever gets a block may change its arrays.
    """

    start: int
    base: Any
    versions: tuple[Any, ...]


Combine = Callable[[Block], Any]


class Operands(Protocol):
    """One tensor of all versions."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def size(self) -> int: ...

    @property
    def weights(self) -> tuple[Fraction, ...]:
        """One for each version, as the rules give them."""

    @property
    def oids(self) -> tuple[str, ...]:
        """Of each version's bytes: what random methods are seeded with."""

    @property
    def base_oid(self) -> str | None: ...

    def blocks(self) -> Iterator[Block]:
        """A pass over all values, in order; there may be any number of passes."""


class MethodFailed(ValueError):
    """A method did not do what it is for."""


class Parameter(NamedTuple):
    """What a key of a rule may say for a method.

    ``default`` is a Fraction, a bool, a str or None (a number that may be absent).
    """

    default: Any
    low: Optional[Fraction] = None
    high: Optional[Fraction] = None
    words: tuple[str, ...] = ()


class Method(Protocol):
    """A method. Optional names: see ``trait``."""

    NAME: str
    NEEDS_BASE: bool
    PARAMETERS: Mapping[str, Parameter]

    def plan(self, operands: Operands, parameters: Parameters) -> Combine:
        """Raises ValueError for parameters that make no sense together."""


# The names that a method may leave out, with what that means.
TRAITS: Mapping[str, Any] = {
    'VERSIONS': None,       # how many versions it takes, None for any number
    'SYMMETRIC': False,     # whether their order is of no matter
    'ROWS': False,          # whether blocks must hold whole rows
    'SPARSE': False,        # whether it drops elements by rank or chance
    'AVERAGE': False,       # whether the weights are shares of a mean
}


def trait(method: Method, name: str) -> Any:
    return getattr(method, name, TRAITS[name])


def number(
    default: str | None, low: str | None = None, high: str | None = None,
) -> Parameter:
    """A parameter that is a number, from ``low`` to ``high``."""
    values = [None if x is None else Fraction(x) for x in (default, low, high)]
    return Parameter(values[0], values[1], values[2])


def flag(default: bool) -> Parameter:
    return Parameter(default)


def word(default: str, *words: str) -> Parameter:
    return Parameter(default, words=words)
