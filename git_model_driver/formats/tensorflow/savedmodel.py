"""saved_model.pb, and fingerprint.pb beside it: a model's graph, without weights.

Its lines are what a reader compares two exports by: signatures, numbers of
operations, variables. Function names and the order of maps differ at every export,
so that these bytes say nothing; a merge takes one side's file as it is.
Source: tensorflow/core/protobuf/saved_model.proto and meta_graph.proto.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Layout
from git_model_driver.formats import wire
from git_model_driver.formats.base import Source
from git_model_driver.formats.base import name_of
from git_model_driver.formats.tensorflow import bundle
from git_model_driver.formats.wire import Field

NAME = 'savedmodel'
_FILE, _FINGERPRINT = 'saved_model.pb', 'fingerprint.pb'
_LONGEST = 1 << 28


def sniff(head: bytes, size: int) -> bool:
    return size <= _LONGEST and head[:1] == b'\x08'


def read(source: Source) -> Layout:
    name = name_of(source)
    if name not in (_FILE, _FINGERPRINT):
        raise FormatError('no SavedModel')
    data = bytes(source[0:len(source)])
    meta = _Graphs(data).lines() if name == _FILE else {}
    if name == _FINGERPRINT:
        list(wire.fields(data))
    return Layout(NAME, len(data), (), meta)


class _Graphs:
    """Lines of a SavedModel message."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._meta: dict[str, str] = {}

    def lines(self) -> dict[str, str]:
        graphs = [f for f in wire.fields(self._data) if f.number == 2]
        for i, graph in enumerate(graphs):
            self._graph(graph, '' if len(graphs) == 1 else f'graph {i}/')
        return self._meta

    def _in(self, field: Field, *numbers: int) -> Iterator[Field]:
        """The fields of these numbers, each in the one before."""
        first, *rest = numbers
        for found in wire.fields(self._data, field.start, field.end):
            if found.number == first:
                if rest:
                    yield from self._in(found, *rest)
                else:
                    yield found

    def _text(self, field: Field) -> str:
        return self._data[field.start:field.end].decode()

    def _first(self, field: Field, *numbers: int) -> str:
        return next((self._text(f) for f in self._in(field, *numbers)), '')

    def _graph(self, graph: Field, prefix: str) -> None:
        tags = sorted(self._text(f) for f in self._in(graph, 1, 4))
        self._meta[f'{prefix}tags'] = ','.join(tags)
        self._meta[f'{prefix}tensorflow'] = self._first(graph, 1, 5)
        operations = Counter(self._text(f) for f in self._in(graph, 2, 1, 2))
        operations.update(self._text(f) for f in self._in(graph, 2, 2, 1, 3, 2))
        for name, count in operations.items():
            self._meta[f'{prefix}operation/{name}'] = str(count)
        for pair in self._in(graph, 5):
            name = self._first(pair, 1)
            for definition in self._in(pair, 2):
                self._meta[f'{prefix}signature/{name}'] = self._signature(definition)
        for variable in self._in(graph, 7, 1, 7):
            self._variable(variable, prefix)

    def _signature(self, definition: Field) -> str:
        sides = []
        for number in (1, 2):
            tensors = []
            for pair in self._in(definition, number):
                for info in self._in(pair, 2):
                    tensors.append(f'{self._first(pair, 1)}: {self._type(info, 2, 3)}')
            sides.append(', '.join(sorted(tensors)))
        return ' -> '.join(sides)

    def _type(self, message: Field, dtype: int, shape: int) -> str:
        number = next((f.value for f in self._in(message, dtype)), 0)
        sizes = []
        for dim in self._in(message, shape, 2):
            size = next((f.value for f in self._in(dim, 1)), 0)
            sizes.append(str(wire.signed(size)))
        return f'{bundle.word(number)} ({",".join(sizes)})'

    def _variable(self, variable: Field, prefix: str) -> None:
        name = self._first(variable, 6)
        if name:
            self._meta[f'{prefix}variable/{name}'] = self._type(variable, 1, 2)
