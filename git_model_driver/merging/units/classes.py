"""Classes of tensors with a merge of their own: one function each.

Integers and truth values are merged element by element, as lines of text are:
what one version changed is that version's.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from git_model_driver.core import numbers
from git_model_driver.core.model import Entry
from git_model_driver.git.operation import APPLY
from git_model_driver.merging import classes
from git_model_driver.merging.units.base import Case
from git_model_driver.merging.units.base import Desk
from git_model_driver.merging.units.base import Settle
from git_model_driver.merging.units.base import Unsettled


def _present(case: Case, desk: Desk, name: str) -> tuple[Entry | None, list[Entry]]:
    """The tensor on all sides, of one dtype and shape."""
    base, versions = case.only(name)
    present = [entry for entry in versions if entry is not None]
    assert len(present) == len(versions), 'deletions are settled before'
    first = present[0]
    for entry in (*present, *([base] if base else [])):
        if (entry.dtype, entry.shape) != (first.dtype, first.shape):
            raise Unsettled(f'dtypes or shapes differ, and {first.dtype} is no float')
    if base is None and not desk.choose(name).explicit:
        raise Unsettled('added on several sides with different values')
    return base, present


def counter(case: Case, desk: Desk) -> dict[str, Entry]:
    """Steps taken: the most of any version; a change that is carried is added."""
    name = case.names[0]
    base, versions = _present(case, desk, name)
    steps = [int(desk.load(entry).reshape(-1)[0]) for entry in versions]
    if desk.operation == APPLY and base is not None:
        total = steps[0] + steps[1] - int(desk.load(base).reshape(-1)[0])
        value = max(0, total)
    else:
        value = max(steps)
    array = desk.load(versions[0]).copy()
    try:
        array[...] = value
    except OverflowError:
        raise Unsettled(f'{value} is too much for {versions[0].dtype}') from None
    return {name: desk.save(array, versions[0])}


def elements(case: Case, desk: Desk) -> dict[str, Entry]:
    """Indices, codes, masks: each element from the version that changed it."""
    import numpy

    name = case.names[0]
    base, versions = _present(case, desk, name)
    if base is None:
        raise Unsettled('added on several sides with different values')
    old = desk.load(base)
    result, taken = old.copy(), numpy.zeros(old.shape, bool)
    clashes = 0
    for entry in versions:
        array = desk.load(entry)
        changed = ~_equal(array, old)
        clashes += int((changed & taken & ~_equal(array, result)).sum())
        result = numpy.where(changed, array, result)
        taken |= changed
    if clashes:
        raise Unsettled(
            f'both sides changed the same {clashes} of its {old.size} elements'
            if clashes > 1 else 'both sides changed the same element of it',
        )
    return {name: desk.save(result, versions[0])}


def _equal(one: Any, other: Any) -> Any:
    return one.view(f'u{one.itemsize}') == other.view(f'u{other.itemsize}')


def first(case: Case, desk: Desk) -> dict[str, Entry]:
    """Optimizer moments, random and loader states: they belong to one run, ours.

    Raises Unsettled where a rule says ``strict``.
    """
    if desk.choose(case.names[0]).strict:
        raise Unsettled('both sides changed it, and a rule is strict')
    desk.note(f'{case.names[0]}: taken from {desk.labels[0]} (state of one run)')
    return dict(case.versions[0])


def nonnegative(case: Case, desk: Desk) -> dict[str, Entry]:
    """Squares and their averages: the mean; a change that is carried ends at 0."""
    name = case.names[0]
    base, versions = _present(case, desk, name)
    if desk.operation != APPLY or base is None:
        return {name: desk.merge(name, base, versions)}
    arrays = [desk.load(entry) for entry in versions]
    merged = desk.blend(name, desk.load(base), arrays)
    merged[merged < 0] = 0
    return {name: desk.save(merged, versions[0])}


def statistics(case: Case, desk: Desk) -> dict[str, Entry]:
    """BatchNorm's running mean and variance, pooled over the versions.

    mean = sum w_i mean_i; var = sum w_i (var_i + (mean_i - mean)^2), which is the
    variance of the union of the samples (and never negative). The weights are the
    counts in num_batches_tracked where all versions have them, else the rules'.
    A mean that is carried over changes as any weight does; a variance is pooled.
    """
    merged: dict[str, Entry] = {}
    weights = _weights(case, desk)
    means, means_of = _means(case, desk)
    for name in case.names:
        kind = classes.classify(Entry(name, 'F32', (), case.versions[0][name].oid))
        if kind == classes.VARIANCE:
            merged[name] = _variance(name, case, desk, weights, means_of)
            desk.note(f'{name}: pooled; estimating it anew on data is better still')
        elif kind == classes.MEAN and desk.operation == APPLY:
            base, versions = _present(case, desk, name)
            merged[name] = desk.merge(name, base, versions)
        elif kind == classes.MEAN:
            _, versions = _present(case, desk, name)
            merged[name] = _stored(desk, _pooled(weights, means), versions[0])
        else:
            merged.update(counter(Case((name,), *_narrow(case, name)), desk))
    return merged


def _narrow(case: Case, name: str) -> tuple[Any, Any]:
    return (
        {name: case.base[name]} if name in case.base else {},
        tuple({name: side[name]} for side in case.versions),
    )


def _weights(case: Case, desk: Desk) -> list[float]:
    counts = [n for n in case.names if n.endswith('num_batches_tracked')]
    if counts:
        tensors = [desk.load(side[counts[0]]) for side in case.versions]
        seen = [int(array.reshape(-1)[0]) for array in tensors]
        if all(n > 0 for n in seen):
            return [n / sum(seen) for n in seen]
    return [float(share) for share in desk.shares(case.names[0])]


def _means(case: Case, desk: Desk) -> tuple[Any, Any]:
    """The versions' running means in float64 (twice: to pool, and to compare)."""
    for name in case.names:
        entry = case.versions[0][name]
        if classes.classify(entry) == classes.MEAN:
            _, versions = _present(case, desk, name)
            wide = [desk.load(e).astype('float64') for e in versions]
            return wide, wide
    return None, None


def _pooled(weights: Sequence[float], arrays: Sequence[Any]) -> Any:
    total = arrays[0] * weights[0]
    for weight, array in zip(weights[1:], arrays[1:]):
        total = total + array * weight
    return total


def _variance(
    name: str, case: Case, desk: Desk, weights: Sequence[float], means: Any,
) -> Entry:
    _, versions = _present(case, desk, name)
    arrays = [desk.load(entry).astype('float64') for entry in versions]
    if means is not None and means[0].shape == arrays[0].shape:
        mean = _pooled(weights, means)
        arrays = [a + (m - mean) * (m - mean) for a, m in zip(arrays, means)]
    return _stored(desk, _pooled(weights, arrays), versions[0])


def _stored(desk: Desk, wide: Any, like: Entry) -> Entry:
    import numpy

    if not numpy.isfinite(wide).all():
        raise Unsettled('both sides changed it, and it holds NaN or infinity')
    return desk.save(numbers.rounded(wide, like.dtype), like)


HANDLERS: dict[str, Settle] = {
    classes.COUNTER: counter,
    classes.INDEX: elements,
    classes.MASK: elements,
    classes.MEAN: statistics,
    classes.VARIANCE: statistics,
    classes.NONNEGATIVE: nonnegative,
    classes.OPTIMIZER: first,
    classes.STATE: first,
}
