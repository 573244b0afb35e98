"""Statistics of a tensor, the same on every machine, remembered by oid."""
from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import exact
from git_model_driver.core import numbers
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import FormatError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.manifest import Entry
from git_model_driver.git.progress import NOBODY
from git_model_driver.git.progress import Meter
from git_model_driver.store import cores
from git_model_driver.store.cache import Cache
from git_model_driver.store.readable import Readable

_PARALLEL_FROM = 8 << 20


class Statistics(NamedTuple):
    """Of the finite elements, in float64; std is that of the population."""

    mean: float
    std: float
    min: float
    max: float
    norm: float         # Euclidean
    nan: int = 0
    inf: int = 0
    zeros: int = 0      # of either sign

    @property
    def odd(self) -> tuple[str, ...]:
        """``nan=1``, ``zeros=7``: the counts that are not 0, as words."""
        counts = ('nan', self.nan), ('inf', self.inf), ('zeros', self.zeros)
        return tuple(f'{name}={count}' for name, count in counts if count)


class _Moments:
    """Running mean and sum of squared deviations (Chan, Golub, LeVeque 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.deviation = 0.0
        self.squares = 0.0
        self.low, self.high = math.inf, -math.inf
        self.nan = self.inf = self.zeros = 0
        self._values: Any = None

    def add(self, block: Any) -> None:
        """Take in some elements; the first block is the longest."""
        import numpy

        if self._values is None:
            self._make_room(len(block))
        values = self._values[:len(block)]
        numpy.copyto(values, block, casting='unsafe')
        total = self._sum(values)
        if not math.isfinite(total):        # or the sum overflows
            finite = numpy.isfinite(values)
            nan = int(numpy.isnan(values).sum())
            self.nan += nan
            self.inf += int((~finite).sum()) - nan
            values = values[finite]
            total = self._sum(values)
        if len(values):
            self._add_finite(values, total)

    def _make_room(self, length: int) -> None:
        """To be used again and again: to ask for memory takes longer than all the rest.
        """
        import numpy

        room = 1 << max(0, length - 1).bit_length()
        self._values, self._work = numpy.empty((2, room))
        self._flags = numpy.empty(room, bool)

    def _add_finite(self, values: Any, sum_: float) -> None:
        import numpy

        flags, work = self._flags[:len(values)], self._work[:len(values)]
        numpy.equal(values, 0.0, out=flags)
        self.zeros += int(numpy.count_nonzero(flags))
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        mean = sum_ / len(values)
        numpy.subtract(values, mean, out=work)
        self.deviation += self._sum_of_squares(work)
        shift, total = mean - self.mean, self.count + len(values)
        self.deviation += shift * shift * self.count * len(values) / total
        self.mean += shift * len(values) / total
        self.squares += self._sum_of_squares(values)
        self.count = total

    def _sum(self, values: Any) -> float:
        self._work[:len(values)] = values
        return self._summed(len(values))

    def _sum_of_squares(self, values: Any) -> float:
        import numpy

        numpy.multiply(values, values, out=self._work[:len(values)])
        return self._summed(len(values))

    def _summed(self, length: int) -> float:
        """Of so many values that are in the place to work in."""
        size = 1 << max(0, length - 1).bit_length()
        self._work[length:size] = 0.0
        return float(exact.sums_within(self._work[:size]))

    def result(self) -> Statistics | None:
        if not self.count + self.nan + self.inf:
            return None
        if not self.count:
            none = math.nan
            return Statistics(none, none, none, none, none, self.nan, self.inf)
        std = math.sqrt(self.deviation / self.count)
        norm = math.sqrt(self.squares)
        return Statistics(
            self.mean, std, self.low, self.high, norm, self.nan, self.inf, self.zeros,
        )


def compute(entry: Entry, chunks: Iterable[bytes | memoryview]) -> Statistics | None:
    """Statistics of a tensor's bytes, or None where they are no real numbers."""
    import numpy

    from git_model_driver.formats import values

    moments = _Moments()
    # A difference of huge values may overflow: the result then says inf.
    with numpy.errstate(all='ignore'):
        for block in values.blocks(entry, chunks):
            moments.add(block)
    return moments.result()


def is_numeric(entry: Entry) -> bool:
    return entry.dtype not in ('C64', 'C128') and (
        dtypes.as_numpy(entry.dtype) is not None
    )


Tell = Callable[[Entry, CorruptObject], None]


def of_all(
    entries: Sequence[Entry], store: Readable, cache: Cache,
    tell: Tell = lambda entry, error: None, meter: Meter = NOBODY,
) -> dict[str, Statistics | None]:
    """Statistics by tensor name; None where there are none or no bytes here.

    ``tell`` is given those that are damaged, ``meter`` the bytes that are to be read
    and are.
    """
    known: dict[str, Statistics | None] = {**remembered(entries, cache)}
    unknown = [e for e in entries if e.name not in known and is_numeric(e)]
    computed = list(_compute_all(unknown, store, tell, meter))
    cache.put({
        _key(entry): tuple(map(float, result))
        for entry, result in zip(unknown, computed) if result is not None
    })
    known.update(zip((entry.name for entry in unknown), computed))
    return known


def remembered(entries: Sequence[Entry], cache: Cache) -> dict[str, Statistics]:
    """Those that need no computing."""
    known = {}
    keys = [_key(entry) for entry in entries]
    numbered = cache.get_all(keys)
    for entry, key in zip(entries, keys):
        if key in numbered:
            mean, std, low, high, norm, nan, inf, zeros = numbered[key]
            known[entry.name] = Statistics(
                mean, std, low, high, norm, int(nan), int(inf), int(zeros),
            )
    return known


def _key(entry: Entry) -> str:
    extra = dict(entry.extra)
    key = f'{entry.oid} {entry.dtype} {numbers.endian_of(entry.extra)}'
    key += f' {extra.get("encoding", "")}'
    if 'start' in extra:        # a view: others of the same storage have other values
        shape = dtypes.format_shape(entry.shape)
        key += f' {shape} {extra["start"]} {extra.get("strides", "")}'
    return key


def _compute_all(
    entries: Sequence[Entry], store: Readable, tell: Tell, meter: Meter,
) -> Iterator[Statistics | None]:
    def one(entry: Entry) -> Statistics | None:
        try:
            with store.open(entry.oid) as file:
                return compute(entry, _counted(file.chunks(), meter))
        except CorruptObject as e:
            tell(entry, e)
        except (MissingObject, FormatError):
            pass
        return None

    nbytes = sum(entry.nbytes for entry in entries)
    meter.expect(nbytes)
    if nbytes < _PARALLEL_FROM:
        yield from map(one, entries)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(cores.threads()) as pool:
        yield from pool.map(one, entries)


def _counted(
    chunks: Iterable[memoryview], meter: Meter,
) -> Iterator[memoryview]:
    for chunk in chunks:
        yield chunk
        meter.add(len(chunk))
