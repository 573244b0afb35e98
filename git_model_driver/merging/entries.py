"""Whether entries of a manifest can be merged number by number."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.model import Entry
from git_model_driver.merging.units.base import Unsettled

_COMPRESSION = frozenset({'bytes', 'encoding'})
_VIEW = frozenset({'bytes', 'start', 'strides'})
_NOT_OF_ELEMENTS = _COMPRESSION | {'endian'}


def check(base: Entry | None, versions: Sequence[Entry]) -> None:
    """Raises Unsettled where the elements do not lie side by side."""
    present = [*versions, *([base] if base else [])]
    first = versions[0]
    for what in ('dtype', 'shape'):
        words = [_word(what, entry) for entry in versions]
        if len(set(words)) > 1:
            raise Unsettled(f'{what}s differ: ours {words[0]}, theirs {words[1]}')
    if any(entry.shape != first.shape for entry in present):
        raise Unsettled('both sides changed its dtype or shape')
    if first.dtype not in dtypes.FLOATS:
        raise Unsettled(f'both sides changed it, and {first.dtype} is not averaged')
    if base and base.dtype not in dtypes.FLOATS:
        raise Unsettled('both sides changed its dtype or shape')
    if len({_arrangement(entry) for entry in present}) > 1:
        raise Unsettled('its elements lie in different orders')


def _word(what: str, entry: Entry) -> str:
    return entry.dtype if what == 'dtype' else dtypes.format_shape(entry.shape)


def _arrangement(entry: Entry) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in entry.extra if pair[0] not in _NOT_OF_ELEMENTS)


def as_storage(entry: Entry) -> Entry:
    """A view of a larger storage as all of that: one axis, in the order it lies."""
    extra = dict(entry.extra)
    if 'start' not in extra:
        return entry
    elements = entry.nbytes // dtypes.byte_length(entry.dtype, (1,))
    kept = tuple(pair for pair in entry.extra if pair[0] not in _VIEW)
    return Entry(entry.name, entry.dtype, (elements,), entry.oid, kept)


def stored(entry: Entry) -> tuple[tuple[str, str], ...]:
    """Without compression: deflating would depend on the zlib at hand."""
    return tuple(pair for pair in entry.extra if pair[0] not in _COMPRESSION)


def word_of(array: Any) -> str:
    for word in dtypes.FLOATS:
        if dtypes.as_numpy(word) == array.dtype:
            return word
    raise FormatError(f'{array.dtype} is no float')
