"""What ``git model diff`` prints."""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import words
from git_model_driver.core.manifest import Entry
from git_model_driver.looking.change import Change
from git_model_driver.looking.change import Sums
from git_model_driver.looking.comparison import ADDED
from git_model_driver.looking.comparison import DELETED
from git_model_driver.looking.comparison import MODIFIED
from git_model_driver.looking.comparison import RENAMED
from git_model_driver.looking.comparison import Comparison
from git_model_driver.looking.comparison import Line
from git_model_driver.looking.comparison import TensorChange
from git_model_driver.render import table
from git_model_driver.render.amounts import plural
from git_model_driver.render.amounts import size
from git_model_driver.render.face import Face
from git_model_driver.render.table import Cell

_WORDS = {MODIFIED: 'modified', ADDED: 'added', DELETED: 'deleted', RENAMED: 'renamed'}
_SLOTS = {ADDED: 'diff.new', DELETED: 'diff.old', MODIFIED: '', RENAMED: 'diff.frag'}
_BAR = 20       # characters of the longest bar
Metrics = Mapping[str, 'Metric']


class Metric(NamedTuple):
    """A column of numbers."""

    title: str
    show: Callable[[Change], str]


def number(value: float, digits: int = 2) -> str:
    return '-' if math.isnan(value) else f'{value:.{digits - 1}e}'


def _cosine(change: Change) -> str:
    value = change.sums.cosine
    return '-' if math.isnan(value) else f'{value:.5f}'


def _share(change: Change) -> str:
    return f'{100 * change.changed / change.elements:.3g}%' if change.elements else '-'


METRICS = {
    'rel': Metric('|d|/|w|', lambda change: number(change.sums.relative)),
    'max': Metric('max|d|', lambda change: number(change.largest)),
    'cos': Metric('cosine', _cosine),
    'share': Metric('changed', _share),
    'rank': Metric('rank', lambda c: '-' if c.rank is None else str(c.rank)),
}
DEFAULT_METRICS = ('rel', 'max', 'cos')


def headline(path: str, old_path: str, found: Comparison) -> str:
    """``model.safetensors   3 of 291 tensors modified, 1 added``"""
    name = words.printable(path)
    if old_path != path:
        name = f'{words.printable(old_path)} => {name}'
    return f'{name}   {counts(found)}'


def counts(found: Comparison) -> str:
    if not found.old.format:
        return f'new, {plural(len(found.new.tensors), "tensor")}'
    if not found.new.format:
        return f'deleted, {plural(len(found.old.tensors), "tensor")}'
    if found.is_rewritten:
        return 'the same tensors and metadata, written in another way'
    if found.is_other_bytes and not found.old.tensors and not found.new.tensors:
        return 'changed, no tensors'
    total = plural(len(found.new.tensors), 'tensor')
    parts = [
        f'{len(found.of_kind(kind))} of {total} {word}' if kind == MODIFIED
        else f'{len(found.of_kind(kind))} {word}'
        for kind, word in _WORDS.items() if found.of_kind(kind)
    ]
    if found.lines:
        parts.append(f'{plural(len(found.lines), "value")} of metadata')
    return ', '.join(parts) or 'no tensor that was asked for differs'


def tensors(
    found: Comparison, metrics: Sequence[str], face: Face, limit: int | None = None,
) -> Iterator[str]:
    """A line for each tensor (the first ``limit``), numbers to the right, and last what
    these are.
    """
    shown = [METRICS[name] for name in metrics]
    rows: list[table.Row] = [_row(each, shown) for each in found.tensors[:limit]]
    if any(each.change for each in found.tensors) and shown:
        rows.append(['', '', '', *(metric.title for metric in shown)])
    columns = [table.LEFT, table.NAME, table.LEFT, *(table.RIGHT for _ in shown)]
    yield from table.lines(rows, columns, face, indent='  ')
    if limit is not None and limit < len(found.tensors):
        yield f'  and {plural(len(found.tensors) - limit, "tensor")} more'
    for line in found.lines:
        yield from _line(line, face)


def _row(each: TensorChange, metrics: Sequence[Metric]) -> table.Row:
    slot = _SLOTS[each.kind]
    entry = each.new or each.old
    assert entry
    name = words.encode(each.name)
    if each.kind == RENAMED and each.old:
        name = f'{words.encode(each.old.name)} => {name}'
    front: table.Row = [Cell(each.kind, slot), Cell(name, slot), structure(each)]
    if each.change:
        odd = f'  nan/inf: {each.change.odd}' if each.change.odd else ''
        numbers = [metric.show(each.change) for metric in metrics]
        return [*front, *numbers[:-1], *(f'{n}{odd}' for n in numbers[-1:])]
    return [*front, *([each.lacking] if each.lacking else [])]


def structure(each: TensorChange) -> str:
    """Dtype and shape; both sides' where they differ."""
    sides = [_type(entry) for entry in (each.old, each.new) if entry]
    return ' -> '.join(dict.fromkeys(sides))


def _type(entry: Entry) -> str:
    extra = ''.join(
        f' {key}={words.encode(value)}' for key, value in entry.extra
        if key not in ('bytes', 'start', 'strides')
    )
    return f'{entry.dtype} {dtypes.format_shape(entry.shape)}{extra}'


def _line(line: Line, face: Face) -> Iterator[str]:
    key = words.printable(line.key)
    for mark, value, slot in (('-', line.old, 'diff.old'), ('+', line.new, 'diff.new')):
        if value is not None:
            yield face.paint(f'  {mark} {key} {words.printable(value)}', slot)


class Group(NamedTuple):
    """The tensors of a layer, or of all modules of one name."""

    name: str
    total: int
    changes: Sequence[TensorChange]

    @property
    def sums(self) -> Sums:
        found = Sums()
        for each in self.changes:
            if each.change:
                found = found.plus(each.change.sums)
        return found


def layer(name: str) -> str:
    """``model.layers.7`` of ``model.layers.7.mlp.weight``; else all but the last part.
    """
    return words.group(name) or name.rpartition('.')[0] or name


def module(name: str) -> str:
    """The same in every layer: ``model.layers.*.mlp``."""
    parts = name.replace('/', '.').split('.')
    parts = ['*' if part.isdecimal() else part for part in parts]
    return '.'.join(parts[:-1]) or name


GROUPINGS = {'layer': layer, 'module': module}


def groups(found: Comparison, by: Callable[[str], str]) -> list[Group]:
    """Those with changes, in the order of the model."""
    changed: dict[str, list[TensorChange]] = {}
    for each in found.tensors:
        changed.setdefault(by(each.name), []).append(each)
    # Those that were deleted are in it, too.
    names = {*found.new.tensors, *(each.name for each in found.tensors)}
    totals = Counter(map(by, names))
    ordered = sorted(changed, key=words.natural_key)
    return [Group(name, totals[name], changed[name]) for name in ordered]


def _relative(measured: Sums | None) -> float:
    if measured is None:
        return math.inf
    return measured.relative if measured.delta == measured.delta else -1.0


def by_size(found: Comparison) -> Comparison:
    """What has no numbers first, then the tensors that changed most."""
    ordered = sorted(
        found.tensors,
        key=lambda each: -_relative(each.change.sums if each.change else None),
    )
    return found._replace(tensors=ordered)


def grouped(found: Sequence[Group], face: Face) -> Iterator[str]:
    """`` model.layers.7 | 2 of 9  ++++++ 4.2e-02``: the bar is that of |d|/|w|."""
    most = max((_finite(group) for group in found), default=0.0)
    rows: list[table.Row] = []
    for group in found:
        value = group.sums.relative
        bar = '+' * (math.ceil(_BAR * _finite(group) / most) if most else 0)
        measured = any(each.change for each in group.changes)
        rows.append([
            words.encode(group.name), f'| {len(group.changes)} of {group.total}',
            Cell(bar, 'diff.new'), number(value) if measured else '-',
        ])
    columns = [table.NAME, table.Column(gap=' '), table.LEFT, table.Column(gap=' ')]
    yield from table.lines(rows, columns, face, indent=' ')


def _finite(group: Group) -> float:
    value = group.sums.relative
    return value if math.isfinite(value) else 0.0


def total(found: Sequence[Comparison]) -> str:
    """`` 1 model, 3 tensors modified, 0 added, 0 deleted, 1.0 MiB``"""
    by_kind = {
        kind: sum(len(each.of_kind(kind)) for each in found) for kind in _WORDS
    }
    nbytes = sum(
        tensor.new.nbytes for each in found for tensor in each.tensors if tensor.new
        and tensor.kind in (ADDED, MODIFIED)
    )
    renamed = f', {by_kind[RENAMED]} renamed' if by_kind[RENAMED] else ''
    return (
        f' {plural(len(found), "model")}, {plural(by_kind[MODIFIED], "tensor")} '
        f'modified, {by_kind[ADDED]} added, {by_kind[DELETED]} deleted{renamed}, '
        f'{size(nbytes)}'
    )
