"""One chunk of an object, encoded and decoded.

    mode          bytes
    RAW           the chunk
    PLANES        a record per byte plane (codec.planes), lowest first
    DIFFERENCE    the same of the differences from the base's chunk
    CHANGED       a record of the bitmap (which elements differ, first one in the
                  highest bit), then those of the differences that are not 0, less 1
    TEXT          a zstd frame
    PATCH         a zstd frame that refers to the base's chunk

A record is its method (0 raw, 1 zstd), its length in four bytes, its bytes. What
does not fill an element follows the records as it is. Where the base is shorter,
it goes on with zeros.
"""
from __future__ import annotations

import struct
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from git_model_driver.store.codec import difference
from git_model_driver.store.codec import planes
from git_model_driver.store.codec import sampling
from git_model_driver.store.codec import zstd
from git_model_driver.store.codec.form import TEXT as TEXT_FORM
from git_model_driver.store.codec.form import Form
from git_model_driver.store.codec.zstd import Buffer

RAW, PLANES, DIFFERENCE, CHANGED, TEXT, PATCH = range(6)
RELATIVE = frozenset({DIFFERENCE, CHANGED, PATCH})
_RECORD = struct.Struct('<BI')
_SHORTEST = 8       # that zstd refers to
_WORTH = 0.99       # of the raw size: below, decoding costs more than it saves


class Encoded(NamedTuple):
    mode: int
    parts: Sequence[Buffer]

    @property
    def nbytes(self) -> int:
        return sum(map(len, self.parts))


def encode(raw: memoryview, form: Form, base: memoryview | None = None) -> Encoded:
    """The chunk in few bytes; ``base`` is the same chunk of the object's base."""
    found = _text(raw, base) if form.kind == TEXT_FORM else _numbers(raw, form, base)
    if found.mode in RELATIVE and decode(found.mode, _joined(found), len(raw),
                                         form, base) != raw:
        raise AssertionError('a chunk decodes to other bytes')
    return found if found.nbytes < _WORTH * len(raw) else Encoded(RAW, [raw])


def _joined(encoded: Encoded) -> memoryview:
    return memoryview(b''.join(encoded.parts))


def _text(raw: memoryview, base: memoryview | None) -> Encoded:
    if base and len(base) >= _SHORTEST:
        return Encoded(PATCH, [zstd.compress(raw, zstd.TEXT, base)])
    return Encoded(TEXT, [zstd.compress(raw, zstd.TEXT)])


def _numbers(raw: memoryview, form: Form, base: memoryview | None) -> Encoded:
    import numpy

    count = len(raw) // form.width
    x = numpy.frombuffer(raw, f'<u{form.width}', count)
    tail = raw[count * form.width:]
    if base is None or not sampling.is_near(x, predicted := _padded(base, x), form):
        return Encoded(PLANES, [*_records(planes.split(x, form)), tail])
    d = difference.subtract(x, predicted, form)
    plain = Form(form.width)
    changed = d != 0
    if numpy.count_nonzero(changed) > sampling.MOSTLY_CHANGED * count:
        return Encoded(DIFFERENCE, [*_records(planes.split(d, plain)), tail])
    values = d[changed]
    values -= values.dtype.type(1)
    bitmap = _record(numpy.packbits(changed))
    return Encoded(CHANGED, [*bitmap, *_records(planes.split(values, plain)), tail])


def _padded(base: memoryview, x: Any) -> Any:
    """The base's elements, as many as x has."""
    import numpy

    if len(base) >= x.nbytes:
        return numpy.frombuffer(base, x.dtype, len(x))
    padded = numpy.zeros(len(x), x.dtype)
    padded.view(numpy.uint8)[:len(base)] = base
    return padded


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
    if (mode in RELATIVE) != (base is not None) and mode in RELATIVE:
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
        d = numpy.empty_like(x)
        rest = (_join_records if mode == DIFFERENCE else _join_changed)(
            data, Form(form.width), d,
        )
        difference.add(d, _padded(base, x), form, x)
    if len(rest) != nbytes - x.nbytes:
        raise ValueError('the tail is not as long as it must be')
    out[x.nbytes:] = numpy.frombuffer(rest, numpy.uint8)
    return memoryview(out.data)


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
    out[changed] = values
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
