"""One chunk of an object, encoded and decoded (codec.modes says how)."""
from __future__ import annotations

import struct
from collections.abc import Iterator
from collections.abc import Sequence
from functools import cached_property
from typing import Any
from typing import NamedTuple

from git_model_driver.store.codec import difference
from git_model_driver.store.codec import planes
from git_model_driver.store.codec import sampling
from git_model_driver.store.codec import zstd
from git_model_driver.store.codec.form import FLOAT
from git_model_driver.store.codec.form import TEXT as TEXT_FORM
from git_model_driver.store.codec.form import Form
from git_model_driver.store.codec.modes import CHANGED
from git_model_driver.store.codec.modes import DIFFERENCE
from git_model_driver.store.codec.modes import PATCH
from git_model_driver.store.codec.modes import PLANES
from git_model_driver.store.codec.modes import RAW
from git_model_driver.store.codec.modes import RELATIVE
from git_model_driver.store.codec.modes import TEXT
from git_model_driver.store.codec.zstd import Buffer

_RECORD = struct.Struct('<BI')
_SHORTEST = 8       # that zstd refers to
_WORTH = 0.99       # of the raw size: below, decoding costs more than it saves


class Encoded(NamedTuple):
    mode: int
    parts: Sequence[Buffer]

    @property
    def nbytes(self) -> int:
        return sum(map(len, self.parts))


class Prediction:
    """The base's chunk as the elements of one that has ``count``."""

    def __init__(self, base: memoryview, count: int, form: Form) -> None:
        self._base = base
        self._count = count
        self._form = form

    @cached_property
    def elements(self) -> Any:
        import numpy

        dtype = numpy.dtype(f'<u{self._form.width}')
        if len(self._base) >= self._count * dtype.itemsize:
            return numpy.frombuffer(self._base, dtype, self._count)
        padded = numpy.zeros(self._count, dtype)
        padded.view(numpy.uint8)[:len(self._base)] = self._base
        return padded

    @cached_property
    def order(self) -> Any:
        """The permutation in which differences are written; None: as they are."""
        if self._form.kind != FLOAT:
            return None
        return difference.order(self.elements, self._form)


def encode(
    raw: memoryview, form: Form, base: memoryview | None = None, thorough: bool = False,
) -> Encoded:
    """The chunk in few bytes; ``base`` is the same chunk of the object's base."""
    if form.kind == TEXT_FORM:
        found = _text(raw, base, zstd.THOROUGH if thorough else zstd.TEXT)
    else:
        found = _numbers(raw, form, base)
    return found if found.nbytes < _WORTH * len(raw) else Encoded(RAW, [raw])


def _checked(same: bool) -> None:
    if not same:
        raise AssertionError('a chunk decodes to other bytes')


def _text(raw: memoryview, base: memoryview | None, how: str) -> Encoded:
    if base and len(base) >= _SHORTEST:
        frame = zstd.compress(raw, how, base)
        _checked(zstd.decompress(frame, len(raw), base) == raw)
        return Encoded(PATCH, [frame])
    return Encoded(TEXT, [zstd.compress(raw, how)])


def _numbers(raw: memoryview, form: Form, base: memoryview | None) -> Encoded:
    import numpy

    count = len(raw) // form.width
    x = numpy.frombuffer(raw, f'<u{form.width}', count)
    tail = raw[count * form.width:]
    if base is not None:
        prediction = Prediction(base, count, form)
        if sampling.is_near(x, prediction.elements, form):
            return _differences(x, prediction, form, tail)
    return Encoded(PLANES, [*_records(planes.split(x, form)), tail])


def _differences(
    x: Any, prediction: Prediction, form: Form, tail: memoryview,
) -> Encoded:
    """Decoded again at once: an error here would be seen when it is too late."""
    import numpy

    d = difference.subtract(x, prediction.elements, form)
    if prediction.order is not None:
        d = d.take(prediction.order)
    changed = d != 0
    if numpy.count_nonzero(changed) > sampling.MOSTLY_CHANGED * len(x):
        records = _records(planes.split(d, Form(form.width)))
        found = Encoded(DIFFERENCE, [*records, tail])
    else:
        found = _changed(d, changed, form, tail)
    out = numpy.empty_like(x)
    data = memoryview(b''.join(found.parts))
    _join_differences(found.mode, data, prediction, form, out)
    _checked(bool((out == x).all()))
    return found


def _changed(d: Any, changed: Any, form: Form, tail: memoryview) -> Encoded:
    import numpy

    values = d.take(numpy.flatnonzero(changed))     # a fifth of the cost of d[changed]
    values -= values.dtype.type(1)
    bitmap = _record(numpy.packbits(changed))
    records = _records(planes.split(values, Form(form.width)))
    return Encoded(CHANGED, [*bitmap, *records, tail])


def _records(rows: Any) -> Iterator[Buffer]:
    for row in rows:
        yield from _record(row)


def _record(row: Any) -> tuple[Buffer, Buffer]:
    how = sampling.method(row)
    best: Buffer = memoryview(row)
    for each in how:
        packed = zstd.compress(row, each)
        if len(packed) < len(best):
            best = packed
    return _RECORD.pack(isinstance(best, bytes), len(best)), best


def decode(
    mode: int, data: memoryview, nbytes: int, form: Form, base: memoryview | None,
) -> memoryview:
    """The chunk of ``nbytes``. Raises ValueError where the data are none."""
    if mode > PATCH:
        raise ValueError('a mode that is not known')
    if mode in RELATIVE and base is None:
        raise ValueError('there is no base')
    if mode == RAW:
        return data
    if mode in (TEXT, PATCH):
        words = base if mode == PATCH and base is not None else b''
        return memoryview(zstd.decompress(data, nbytes, words))
    return _elements(mode, data, nbytes, form, base)


def _elements(
    mode: int, data: memoryview, nbytes: int, form: Form, base: memoryview | None,
) -> memoryview:
    import numpy

    count = nbytes // form.width
    out = numpy.empty(nbytes, numpy.uint8)
    x = out[:count * form.width].view(f'<u{form.width}')
    if mode == PLANES:
        rest = _join_records(data, form, x)
    else:
        assert base is not None
        prediction = Prediction(base, count, form)
        rest = _join_differences(mode, data, prediction, form, x)
    if len(rest) != nbytes - x.nbytes:
        raise ValueError('the tail is not as long as it must be')
    out[x.nbytes:] = numpy.frombuffer(rest, numpy.uint8)
    return memoryview(out.data)


def _join_differences(
    mode: int, data: memoryview, prediction: Prediction, form: Form, out: Any,
) -> memoryview:
    """Write the elements to ``out``; what follows the records."""
    import numpy

    d = numpy.empty_like(out)
    join = _join_records if mode == DIFFERENCE else _join_changed
    rest = join(data, Form(form.width), d)
    if prediction.order is not None:
        unsorted = numpy.empty_like(d)
        unsorted[prediction.order] = d
        d = unsorted
    difference.add(d, prediction.elements, form, out)
    return rest


def _join_records(data: memoryview, form: Form, out: Any) -> memoryview:
    """Write the elements to ``out``; what follows the records."""
    rows = []
    for _ in range(form.width):
        row, data = _read_record(data, len(out))
        rows.append(row)
    planes.join(rows, form, out)
    return data


def _join_changed(data: memoryview, form: Form, out: Any) -> memoryview:
    import numpy

    bitmap, data = _read_record(data, -(-len(out) // 8))
    changed = numpy.unpackbits(bitmap, count=len(out)).view(bool)
    values = numpy.empty(int(numpy.count_nonzero(changed)), out.dtype)
    data = _join_records(data, form, values)
    values += values.dtype.type(1)
    out[:] = 0
    out[numpy.flatnonzero(changed)] = values
    return data


def _read_record(data: memoryview, nbytes: int) -> tuple[Any, memoryview]:
    import numpy

    if len(data) < _RECORD.size:
        raise ValueError('a record is cut short')
    packed, length = _RECORD.unpack_from(data)
    end = _RECORD.size + length
    body = data[_RECORD.size:end]
    if len(body) != length or packed > 1:
        raise ValueError('a record is cut short')
    row = zstd.decompress(body, nbytes) if packed else body
    if len(row) != nbytes:
        raise ValueError('a record is not as long as it must be')
    return numpy.frombuffer(row, numpy.uint8), data[end:]
