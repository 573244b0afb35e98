"""Files of ONNX's external data: ranges that a model beside them names.

The model is looked for by its usual names: for ``m.onnx.data`` and ``m.onnx_data``
that is ``m.onnx``, for ``m.data``, ``m.bin`` and ``m.weight`` it is, too.
"""
from __future__ import annotations

import re

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor
from git_model_driver.formats import onnx
from git_model_driver.formats import wire
from git_model_driver.formats.base import Source
from git_model_driver.formats.base import name_of
from git_model_driver.formats.base import sibling
from git_model_driver.formats.messages import Message

NAME = 'onnx-data'
_NAMES = re.compile(r'(.+?)(?:\.onnx)?[._](?:data|bin|weights?|pb)', re.DOTALL)
_GRAPH = 7


def sniff(head: bytes, size: int) -> bool:
    return True         # told by the file's name


def read(source: Source) -> Layout:
    name = name_of(source)
    matched = _NAMES.fullmatch(name)
    beside = sibling(source, f'{matched[1]}.onnx') if matched else None
    if beside is None:
        raise FormatError('no external data with its model')
    model = Message(beside)
    tensors = tuple(
        _tensor(found, len(source))
        for graph in model.fields() if graph.number == _GRAPH
        and graph.kind == wire.BYTES for found in onnx.initializers(model, graph)
        if found.external.get('location') in (name, f'./{name}')
    )
    if not tensors or len({t.name for t in tensors}) != len(tensors):
        raise FormatError('the model beside it says nothing of this file')
    return Layout(NAME, len(source), tensors)


def _tensor(found: onnx.Initializer, size: int) -> Tensor:
    offset = int(found.external.get('offset', '0'))
    length = int(found.external.get('length', str(size - offset)))
    if offset < 0 or length < 0 or offset + length > size:
        raise FormatError('the model beside it is of another file')
    return onnx.tensor(found, Extent(offset, length))
