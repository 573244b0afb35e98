"""One tensor of all versions as rows of numbers, in blocks; and the way back."""
from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from fractions import Fraction
from itertools import repeat
from typing import Any
from typing import NamedTuple
from typing import Optional

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import numbers
from git_model_driver.core.model import Entry
from git_model_driver.core.numbers import BLOCK
from git_model_driver.formats import values
from git_model_driver.merging import entries
from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.units.base import Unsettled
from git_model_driver.store.objects import Store


class Operand(NamedTuple):
    """One side's values: ``pieces(n)`` gives stored arrays of n elements each."""

    dtype: str
    oid: str
    pieces: Callable[[int], Iterator[Any]]


def of_entry(entry: Entry, store: Store) -> Operand:
    def pieces(n: int) -> Iterator[Any]:
        with store.open(entry.oid) as file:
            yield from values.blocks(entry, file.chunks(), n)

    return Operand(entry.dtype, entry.oid, pieces)


def whole(entry: Entry, store: Store) -> Any:
    """The tensor as an array of its own dtype and shape."""
    import numpy

    pieces = [array.copy() for array in of_entry(entry, store).pieces(BLOCK)]
    if not pieces:
        return numpy.zeros(entry.shape, dtypes.as_numpy(entry.dtype))
    return numpy.concatenate(pieces).reshape(entry.shape, order=_order(entry))


def unmade(array: Any, like: Entry) -> tuple[bytes, Entry]:
    """What ``whole`` reads: the bytes of an array, and its entry but for the oid.

    Raises Unsettled for a view: the rest of its storage belongs to others.
    """
    if entries.as_storage(like) is not like:
        raise Unsettled('it is a view of a larger storage')
    flat = array.reshape(-1, order=_order(like))
    data = numbers.to_bytes(flat, like.dtype, numbers.endian_of(like.extra))
    return data, like._replace(shape=tuple(array.shape), extra=entries.stored(like))


def _order(entry: Entry) -> Any:
    return 'F' if ('order', 'F') in entry.extra else 'C'


def of_array(array: Any, dtype: str, oid: str = '') -> Operand:
    flat = array.reshape(-1)

    def pieces(n: int) -> Iterator[Any]:
        for start in range(0, len(flat), n):
            yield flat[start:start + n]

    return Operand(dtype, oid, pieces)


class Values:
    """The operands of a method (methods.base.Operands), read anew at each pass.

    Raises Unsettled in a pass for NaN or infinity that not all sides agree on.
    ``companions`` come behind the versions in blocks: other numbers for each version.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], base: Operand | None,
        versions: Sequence[Operand], weights: Sequence[Fraction],
        companions: Sequence[Operand] = (), rows: bool = False,
    ) -> None:
        self.name = name
        self.shape = shape
        self.size = math.prod(shape)
        self.weights = tuple(weights)
        self.base = base
        self.versions = versions
        self.companions = companions
        row = shape[-1] if rows and shape else 1
        self._block = max(1, BLOCK // max(row, 1)) * max(row, 1)
        self._wide = _widest([*([base] if base else []), *versions])

    def _widened(self, array: Any) -> Any:
        import numpy

        with numpy.errstate(all='ignore'):      # NaN is looked for afterwards
            return array.astype(self._wide)

    @property
    def oids(self) -> tuple[str, ...]:
        return tuple(operand.oid for operand in self.versions)

    @property
    def base_oid(self) -> str | None:
        return self.base.oid if self.base else None

    def blocks(self) -> Iterator[Block]:
        for _, block, _ in self.passed():
            yield block

    def passed(self) -> Iterator[tuple[Any, Block, Any]]:
        """For each block: ours as it is stored, all sides widened, and where the
        sides agree bit by bit (None: nowhere, or they differ in dtype).
        """
        sides = [self.base, *self.versions, *self.companions]
        streams = [
            repeat(None) if side is None else side.pieces(self._block) for side in sides
        ]
        start, last = 0, 1 + len(self.versions)
        for stored in zip(*streams):
            present = [array for array in stored[:last] if array is not None]
            agreed = _agreed(present)
            wide = [None if a is None else self._widened(a) for a in stored]
            _check_finite(wide, agreed)
            yield stored[1], Block(start, wide[0], tuple(wide[1:])), agreed
            start += len(stored[1])


def _widest(operands: Sequence[Operand]) -> str:
    found = [numbers.computed(operand.dtype) for operand in operands]
    return max(found, key=('float32', 'float64', 'complex64', 'complex128').index)


def _agreed(arrays: Sequence[Any]) -> Any:
    first = arrays[0]
    if len(arrays) < 2 or any(a.dtype != first.dtype for a in arrays):
        return None
    agreed = numbers.same_bits(first, arrays[1])
    for array in arrays[2:]:
        agreed &= numbers.same_bits(first, array)
    return agreed if agreed.any() else None


def _check_finite(wide: Sequence[Any], agreed: Any) -> None:
    """Raises Unsettled for NaN or infinity where the sides differ; else it is 0."""
    import numpy

    for array in wide:
        if array is None:
            continue
        odd = ~numpy.isfinite(array)
        if not odd.any():
            continue
        if agreed is None or (odd & ~agreed).any():
            raise Unsettled('both sides changed it, and it holds NaN or infinity')
        array[odd] = 0


# Magnitudes from here on round to infinity, to nearest even.
_LIMITS = {
    'F16': 65520.0, 'BF16': 3.39617752923046e+38, 'F32': 3.4028235677973366e+38,
    'F64': math.inf,
}


def finished(merged: Any, dtype: str, ours: Any, agreed: Any) -> Any:
    """Computed values rounded to the dtype; what the sides agree on stays as it is.

    Float8 types saturate, as they do in hardware. Raises Unsettled where another
    type overflows.
    """
    import numpy

    if dtypes.BITS[dtype] == 8:
        limit = float(_finfo(dtype).max)
        merged = numpy.clip(merged, -limit, limit)
    if agreed is not None:
        # An element that is kept cannot overflow.
        merged = numpy.where(agreed, merged.dtype.type(0), merged)
    if len(merged) and not _fits(merged, dtype):
        raise Unsettled(f'the result overflows {dtype}')
    result = numbers.rounded(merged, dtype)
    return result if agreed is None else numpy.where(agreed, ours, result)


def _finfo(dtype: str) -> Any:
    import ml_dtypes

    find: Any = ml_dtypes.finfo
    return find(dtypes.as_numpy(dtype))


def _fits(merged: Any, dtype: str) -> bool:
    import numpy

    if dtype not in _LIMITS:
        back = numbers.widened(numbers.rounded(merged, dtype), dtype)
        return bool(numpy.isfinite(back).all())
    limit = _LIMITS[dtype]      # false for NaN, too
    return bool(float(merged.max()) < limit and float(merged.min()) > -limit)


def nbytes(entry: Entry, dtype: Optional[str] = None) -> int:
    return dtypes.byte_length(dtype or entry.dtype, entry.shape)


def size(entry: Entry) -> int:
    return math.prod(entry.shape)
