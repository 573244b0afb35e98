"""What the variables of a checkpoint are called.

TensorFlow 1 has the name as the key. TensorFlow 2 has a path through Python objects
(``variables/6/.ATTRIBUTES/VARIABLE_VALUE``), in which numbers stand for layers; the
names are in a graph of the objects, which is a string in the checkpoint itself
(trackable_object_graph.proto). A slice of a partitioned variable is named by what it
has of it: ``embedding[0:512,0:64]``.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from git_model_driver.core.errors import FormatError
from git_model_driver.formats import wire

GRAPH = b'_CHECKPOINTABLE_OBJECT_GRAPH'
# What a variable is called that nobody named: where it is kept says more.
_UNNAMED = re.compile(r'Variable(_\d+)?')
_SUFFIX = '/.ATTRIBUTES/VARIABLE_VALUE'


def labels(keys: Iterable[bytes], graph: bytes) -> dict[bytes, str]:
    """A name for each key; ``graph`` is b'' where there is none."""
    keys = list(keys)
    plain = {key: _plain(key) for key in keys}
    given = {
        key: name for key, name in _named(graph).items()
        if key in plain and name and not _UNNAMED.fullmatch(name)
    }
    full = plain | _without_model(given)
    for choose in (full, _with_collection(plain, full)):
        counts = Counter(choose[key] for key in keys)
        if all(count == 1 for count in counts.values()):
            return choose
    return {key: choose[key] if counts[choose[key]] == 1 else plain[key]
            for key in keys}


def _plain(key: bytes) -> str:
    if key.startswith(b'\0'):
        return _slice(key)
    return key.decode('utf-8', 'backslashreplace').removesuffix(_SUFFIX)


def _without_model(names: dict[bytes, str]) -> dict[bytes, str]:
    """Keras puts the model's name before all others, but not after it was loaded."""
    first = {name.partition('/')[0] for name in names.values()}
    if len(first) == 1 and all(name.count('/') > 1 for name in names.values()):
        return {key: name.partition('/')[2] for key, name in names.items()}
    return names


def _with_collection(
    plain: dict[bytes, str], full: dict[bytes, str],
) -> dict[bytes, str]:
    """A SavedModel has a variable twice: in ``variables`` and ``_all_variables``."""
    counts = Counter(full.values())
    found = {}
    for key, name in full.items():
        collection, _, number = plain[key].rpartition('/')
        twice = counts[name] > 1 and number.isdecimal()
        found[key] = f'{collection}/{name}' if twice else name
    return found


def _named(graph: bytes) -> dict[bytes, str]:
    """Full name by checkpoint key (TrackableObjectGraph.nodes.attributes)."""
    found: dict[bytes, str] = {}
    for node in wire.fields(graph):
        if node.number != 1:
            continue
        for attribute in wire.fields(graph, node.start, node.end):
            if attribute.number == 2:
                parts = {
                    f.number: graph[f.start:f.end]
                    for f in wire.fields(graph, attribute.start, attribute.end)
                }
                found[parts.get(3, b'')] = parts.get(2, b'').decode()
    return found


def content(strings: bytes) -> bytes:
    """The one string of a string tensor: its length, a checksum, and it."""
    length, at = wire.varint(strings, 0)
    if at + 4 + length != len(strings):
        raise FormatError('not one string')
    return strings[at + 4:]


def _slice(key: bytes) -> str:
    """EncodeTensorNameSlice: 0, the name, the rank, and (start, length) per axis."""
    at = 1
    name = bytearray()
    while key[at:at + 2] != b'\0\1':
        escaped = {b'\0\xff': 0, b'\xff\0': 255}.get(key[at:at + 2])
        name.append(key[at] if escaped is None else escaped)
        at += 1 if escaped is None else 2
    axes, at = _increasing(key, at + 2)
    parts = []
    for _ in range(axes):
        start, at = _signed(key, at)
        length, at = _signed(key, at)
        parts.append(':' if length < 0 else f'{start}:{start + length}')
    return f'{name.decode("utf-8", "backslashreplace")}[{",".join(parts)}]'


def _increasing(key: bytes, at: int) -> tuple[int, int]:
    """An unsigned number: its bytes, and how many before them."""
    end = at + 1 + key[at]
    return int.from_bytes(key[at + 1:end], 'big'), end


def _signed(key: bytes, at: int) -> tuple[int, int]:
    """A number whose leading ones (zeros if negative) say how many bytes it has."""
    first = key[at]
    negative = first < 128
    length, mask = 0, 128
    while mask and bool(first & mask) != negative:
        length, mask = length + 1, mask >> 1
    if not 1 <= length <= 7 or at + length > len(key):
        raise FormatError('a slice of an impossible place')
    raw = int.from_bytes(key[at:at + length], 'big')
    bits = 7 * length
    value = raw & ((1 << (bits - 1)) - 1) if length > 1 else raw & 63
    return (value - (1 << (bits - 1)) if negative else value), at + length
