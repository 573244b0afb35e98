"""ONNX models (onnx.proto3), and the file of external data beside one.

Extents are the raw data of initializers; what is in typed fields stays in the
skeleton. Lines say what an evaluator sees: inputs, outputs, operator sets, numbers
of operators. Data in a file of its own are read with the model beside it, which must
name that file, and every range of it must fit.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor
from git_model_driver.formats import wire
from git_model_driver.formats.base import Source
from git_model_driver.formats.messages import Message
from git_model_driver.formats.wire import Field

NAME = 'onnx'
_IR_VERSION, _PRODUCER, _GRAPH, _OPSET = 1, 2, 7, 8
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12
_DTYPES = {
    1: 'F32', 2: 'U8', 3: 'I8', 4: 'U16', 5: 'I16', 6: 'I32', 7: 'I64', 9: 'BOOL',
    10: 'F16', 11: 'F64', 12: 'U32', 13: 'U64', 14: 'C64', 15: 'C128', 16: 'BF16',
    17: 'F8_E4M3', 18: 'F8_E4M3FNUZ', 19: 'F8_E5M2', 20: 'F8_E5M2FNUZ',
    24: 'F8_E8M0',
}


class Initializer(NamedTuple):
    """A TensorProto: where its raw data lies, or what it says of another file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    raw: Extent | None
    external: dict[str, str]


def sniff(head: bytes, size: int) -> bool:
    return head[:1] == b'\x08'      # the version of the format comes first


def read(source: Source) -> Layout:
    model = Message(source)
    fields = list(model.fields())
    graphs = [field for field in fields if field.number == _GRAPH]
    if len(graphs) != 1 or graphs[0].kind != wire.BYTES:
        raise FormatError('onnx: no graph')
    if not {_IR_VERSION, _OPSET} <= {field.number for field in fields}:
        raise FormatError('onnx: no version')
    meta = _described(model, fields, graphs[0])
    tensors = tuple(
        tensor(found, found.raw) for found in initializers(model, graphs[0])
        if found.raw is not None
    )
    return Layout(NAME, len(source), _unique(tensors), meta)


def _unique(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise FormatError('onnx: two initializers of one name')
    return tensors


def tensor(found: Initializer, extent: Extent) -> Tensor:
    """By dtype and shape where they say as much as the data have."""
    if found.dtype != 'BYTES':
        if dtypes.byte_length(found.dtype, found.shape) == extent.length:
            return Tensor(found.name, found.dtype, found.shape, extent)
    return Tensor(found.name, 'BYTES', (extent.length,), extent)


def initializers(model: Message, graph: Field) -> Iterator[Initializer]:
    """The tensors of a graph. Raises FormatError."""
    for field in model.fields(graph):
        if field.number == _INITIALIZER and field.kind == wire.BYTES:
            yield _initializer(model, field)


def _initializer(model: Message, message: Field) -> Initializer:
    name, dtype = '', 'BYTES'
    raw: Extent | None = None
    shape: list[int] = []
    external: dict[str, str] = {}
    for field in model.fields(message):
        if field.number == 1:
            shape += model.numbers(field)
        elif field.number == 2:
            dtype = _DTYPES.get(field.value, 'BYTES')
        elif field.number == 8:
            name = model.text(field)
        elif field.number == 9 and field.kind == wire.BYTES:
            raw = Extent(field.start, field.end - field.start)
        elif field.number == 13:
            pair = {f.number: model.text(f) for f in model.fields(field)}
            external[pair.get(1, '')] = pair.get(2, '')
    return Initializer(name, dtype, tuple(shape), raw, external)


def _described(model: Message, fields: list[Field], graph: Field) -> dict[str, str]:
    meta: dict[str, str] = {}
    operators: Counter[str] = Counter()
    for field in fields:
        if field.number == _IR_VERSION:
            meta['ir_version'] = str(field.value)
        elif field.number == _PRODUCER:
            meta['producer'] = model.text(field)
        elif field.number == _OPSET:
            parts = {f.number: f for f in model.fields(field)}
            domain = model.text(parts[1]) if 1 in parts else ''
            meta[f'opset/{domain or "ai.onnx"}'] = str(parts[2].value)
    for field in model.fields(graph):
        if field.number == _NODE:
            found = {f.number: f for f in model.fields(field)}
            operators[model.text(found[4]) if 4 in found else ''] += 1
        elif field.number in (_INPUT, _OUTPUT):
            kind = 'input' if field.number == _INPUT else 'output'
            name, said = _value(model, field)
            meta[f'{kind}/{name}'] = said
    meta.update((f'operator/{name}', str(n)) for name, n in operators.items())
    return meta


def _value(model: Message, message: Field) -> tuple[str, str]:
    """The name of an input or output, and its dtype and shape."""
    name, dtype = '', '?'
    sizes: list[str] = []
    for field in model.fields(message):
        if field.number == 1:
            name = model.text(field)
        elif field.number == 2:
            for part in model.inside(field, 1):
                for inner in model.fields(part):
                    if inner.number == 1:
                        dtype = _DTYPES.get(inner.value, f'type {inner.value}')
                for dim in model.inside(part, 2, 1):
                    sizes.append(_dimension(model, dim))
    return name, f'{dtype} ({",".join(sizes)})'


def _dimension(model: Message, dim: Field) -> str:
    for field in model.fields(dim):
        if field.number == 1:
            return str(wire.signed(field.value))
        if field.number == 2:
            return model.text(field)
    return '?'
