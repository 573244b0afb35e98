"""Embeddings and output layers whose vocabulary grew.

Rows that all sides have are merged as any weights are. Rows that one side added are
its own; where several sides added rows, their tokenizers say which is which: a
token that several added gets the mean of its rows (there is no common ancestor).
"""
from __future__ import annotations

import json
import re
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from typing import Any

from git_model_driver.core.model import Entry
from git_model_driver.merging import tokens
from git_model_driver.merging.rows import Plan
from git_model_driver.merging.rows import Row
from git_model_driver.merging.rows import Side
from git_model_driver.merging.rows import plan_of_rows
from git_model_driver.merging.units.base import Case
from git_model_driver.merging.units.base import Desk
from git_model_driver.merging.units.base import Siblings
from git_model_driver.merging.units.base import Unsettled

_NAMES = re.compile(
    r'(.*[./])?(embed_tokens|wte|word_embeddings?|tok_embeddings|tokens_embed|'
    r'token_embeddings?|embed_in|embed_out|shared|lm_head|predictions|'
    r'(lm_head|predictions)[./]decoder|final_logits_bias|output_embeddings)'
    r'([./](weight|bias|kernel|embeddings?)(:0)?)?',
)
_COLUMNS = re.compile(r'.*[./]kernel(:0)?')      # Dense layers: tokens are columns
_SHOWN = 3


def recognised(
    name: str, base: Entry | None, versions: Sequence[Entry | None],
    siblings: Siblings | None = None,
) -> bool:
    """Whether it has rows for tokens that are not the same on all sides.

    It is known by its name, or (with ``siblings``) because its rows are config.json's
    vocab_size. Where the shapes are equal, tokens may have taken rows of the padding.
    """
    present = [entry for entry in (base, *versions) if entry is not None]
    axis = _axis(name, [entry.shape for entry in present])
    if len(present) <= len(versions) or axis is None:
        return False
    rows = [entry.shape[axis] for entry in present]
    if len(set(rows)) == 1:
        return siblings is not None and _is_named(name) and _mixed(rows, siblings)
    if _is_named(name):
        return True
    return siblings is not None and all(
        n == _vocab_size(siblings, i - 1) for i, n in enumerate(rows)
    )


def _is_named(name: str) -> bool:
    return _NAMES.fullmatch(name) is not None


def _axis(name: str, shapes: Sequence[tuple[int, ...]]) -> int | None:
    """The only axis in which the shapes differ; if they do not, where rows are."""
    if len({len(shape) for shape in shapes}) != 1 or not shapes[0]:
        return None
    differ = [i for i, sizes in enumerate(zip(*shapes)) if len(set(sizes)) > 1]
    if not differ:
        return len(shapes[0]) - 1 if _COLUMNS.fullmatch(name) else 0
    return differ[0] if len(differ) == 1 else None


def _mixed(rows: Sequence[int], siblings: Siblings) -> bool:
    """Whether equal indices stand for different tokens."""
    sides = range(-1, len(rows) - 1)
    files = [[siblings.read(side, file) for file in tokens.FILES] for side in sides]
    if all(side == files[0] for side in files):
        return False
    known = _vocabularies(siblings, len(rows) - 1)
    if any(of is None or max(of, default=-1) >= n for of, n in zip(known, rows)):
        return False        # they are not about these rows
    given = [Side(n, of) for n, of in zip(rows, known)]
    try:
        plan = plan_of_rows(given[0], given[1:], [''] * len(given))
    except Unsettled:
        return True
    return any(row.base is None for row in plan.tail)


def _vocabularies(siblings: Siblings, n: int) -> list[dict[int, str] | None]:
    return [tokens.read(partial(siblings.read, side)) for side in range(-1, n)]


def _vocab_size(siblings: Siblings, side: int) -> int | None:
    try:
        config = json.loads(siblings.read(side, 'config.json') or b'{}')
        size = config.get('vocab_size', config.get('text_config', {}).get('vocab_size'))
    except (ValueError, AttributeError, RecursionError):
        return None
    return size if isinstance(size, int) else None


def settle(case: Case, desk: Desk) -> dict[str, Entry]:
    """Merge each tensor of the unit. Raises Unsettled."""
    known = _vocabularies(desk.siblings, len(case.versions))
    return {name: _settle(name, case, desk, known) for name in case.names}


def _settle(
    name: str, case: Case, desk: Desk, known: Sequence[Mapping[int, str] | None],
) -> Entry:
    base, versions = case.only(name)
    present = [entry for entry in versions if entry is not None]
    if base is None or len(present) < len(versions):
        raise Unsettled('it is not on all sides')
    if any(entry.dtype != base.dtype for entry in present):
        raise Unsettled('its dtypes differ, and rows were added')
    axis = _axis(name, [base.shape, *(entry.shape for entry in present)])
    if axis is None:
        raise Unsettled('its shapes differ in more than its rows')
    rows = [entry.shape[axis] for entry in (base, *present)]
    sides = [Side(n, of) for n, of in zip(rows, known)]
    plan = plan_of_rows(sides[0], sides[1:], desk.labels)
    arrays = [_by_rows(desk.load(entry), axis) for entry in (base, *present)]
    merged = _merged(name, plan, arrays[0], arrays[1:], desk)
    _tell(name, plan, rows, desk, known)
    return desk.save(_contiguous(merged, 0, axis), present[0])


def _by_rows(array: Any, axis: int) -> Any:
    return _contiguous(array, axis, 0)


def _contiguous(array: Any, axis: int, to: int) -> Any:
    import numpy

    return numpy.ascontiguousarray(numpy.moveaxis(array, axis, to))


def _merged(
    name: str, plan: Plan, base: Any, versions: Sequence[Any], desk: Desk,
) -> Any:
    import numpy

    result = numpy.empty((plan.rows, *base.shape[1:]), base.dtype)
    n = plan.common
    result[:n] = _blended(name, base[:n], [array[:n] for array in versions], desk)
    for pattern, places in _patterns(plan).items():
        sources = [plan.tail[place] for place in places]
        old = base[[row.base for row in sources]] if pattern.base is not None else None
        arrays = [
            versions[i][[row.versions[i] for row in sources]]
            for i, there in enumerate(pattern.versions) if there is not None
        ]
        result[[n + place for place in places]] = _blended(name, old, arrays, desk)
    return result


def _patterns(plan: Plan) -> dict[Row, list[int]]:
    """Places in the tail, by the sides that have a row for them."""
    found: dict[Row, list[int]] = {}
    for place, row in enumerate(plan.tail):
        there = tuple(None if i is None else 0 for i in row.versions)
        pattern = Row(None if row.base is None else 0, there)
        found.setdefault(pattern, []).append(place)
    return found


def _blended(name: str, base: Any, arrays: Sequence[Any], desk: Desk) -> Any:
    """What the rules' method makes of it; a change of one version only is its own."""
    changed = [a for a in arrays if base is None or not _same(a, base)]
    if not changed:
        return base
    if all(_same(array, changed[0]) for array in changed):
        return changed[0]
    return desk.blend(name, base, changed)


def _same(one: Any, other: Any) -> bool:
    import numpy

    return numpy.array_equal(one.view('u1'), other.view('u1'))


def _tell(
    name: str, plan: Plan, rows: Sequence[int], desk: Desk,
    known: Sequence[Mapping[int, str] | None],
) -> None:
    parts = [
        f'{n - rows[0]} by {label}' for n, label in zip(rows[1:], desk.labels)
        if n > rows[0]
    ]
    if parts:
        desk.note(f'{name}: rows added, {", ".join(parts)}')
    if plan.rows not in rows:
        wanted = f'"vocab_size": {plan.rows}'
        desk.note(f'{name}: {plan.rows} rows; config.json needs {wanted}')
    for moved, label, of in zip(plan.moved, desk.labels, known[1:]):
        shown = [
            f'{(of or {})[i]!r} {i} -> {to}' for i, to in list(moved.items())
        ]
        if shown:
            more = ', ...' if len(shown) > _SHOWN else ''
            listed = ', '.join(shown[:_SHOWN])
            desk.note(f'{name}: token ids of {label} have changed: {listed}{more}')
