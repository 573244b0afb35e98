"""Quantised weights: codes mean nothing without their scales, nor scales alone.

A group is one unit. Where several versions changed it and it was quantised by the
largest magnitude (int8 or float8, with a scale for the tensor, each row or each
block), its values are restored in float32, merged by the rules, and quantised again
in the same way. Calibrated schemes (GPTQ, AWQ) and packed codes are not.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from typing import Optional

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import numbers
from git_model_driver.core.model import Entry
from git_model_driver.merging import absmax
from git_model_driver.merging.absmax import Grid
from git_model_driver.merging.units.base import Case
from git_model_driver.merging.units.base import Desk
from git_model_driver.merging.units.base import Side
from git_model_driver.merging.units.base import Unsettled

_SCALES = ('weight_scale', 'weight_scale_inv', 'scale', 'weight.scale')
_MAXIMA = ('SCB', 'weight.SCB')     # the largest magnitudes, not divided by 127
_ACTIVATIONS = frozenset({'input_scale', 'output_scale', 'k_scale', 'v_scale'})
_ZEROS = 'weight_zero_point'
_PARTS = re.compile(
    r'(.*\.)?('
    r'weight|weight_(?:packed|scale|scale_2|scale_inv|zero_point|g_idx|shape|format'
    r'|global_scale)|scale|SCB|input_scale|input_zero_point|input_global_scale'
    r'|output_scale|k_scale|v_scale'
    r'|qweight|qzeros|scales|g_idx'
    r'|weight\.(?:scale|SCB|absmax|quant_map|nested_absmax|nested_quant_map'
    r'|quant_state\..+))',
)
# What a part of a group says about the scheme; '' is absmax or nothing.
_FOREIGN = {
    'qweight': 'GPTQ or AWQ', 'weight.absmax': 'bitsandbytes, blocks of 4 or 8 bits',
    'weight_packed': 'packed codes', 'weight_g_idx': 'GPTQ',
    'weight_scale_2': 'scales of scales', 'weight_global_scale': 'scales of scales',
}
_CODES = frozenset({'I8', 'U8', 'I32', 'U32', 'F4'})
_NEEDED = frozenset({
    'qzeros', 'scales', 'weight_packed', 'weight.absmax', *_SCALES, *_MAXIMA,
})


class _Version(NamedTuple):
    """A side's codes and scales as they are stored."""

    codes: Any
    scales: Any


class _Plan(NamedTuple):
    """What the group's parts are; ``maxima``: scales not divided by the code."""

    codes: str
    scales: str
    maxima: bool
    grid: Grid


def find(entries: Mapping[str, Entry]) -> list[tuple[str, ...]]:
    """Groups of codes and what belongs to them, codes first."""
    groups: dict[str, dict[str, str]] = {}
    for name in entries:
        match = _PARTS.fullmatch(name)
        if match:
            groups.setdefault(match[1] or '', {})[match[2]] = name
    found = []
    for parts in groups.values():
        codes = _codes(parts, entries)
        if codes and _NEEDED.intersection(parts):
            others = [name for name in parts.values() if name != codes]
            found.append((codes, *others))
    return found


def _codes(parts: Mapping[str, str], entries: Mapping[str, Entry]) -> str | None:
    for part in ('qweight', 'weight_packed'):
        if part in parts:
            return parts[part]
    name = parts.get('weight')
    if name is None:
        return None
    dtype = entries[name].dtype
    return name if dtype in _CODES or dtype.startswith('F8_') else None


def settle(case: Case, desk: Desk) -> dict[str, Entry]:
    """Merge the values of one group. Raises Unsettled."""
    sides = [*case.versions, *([case.base] if case.base else [])]
    plan = _plan(case.names, sides, desk)
    loaded = [_loaded(side, plan, desk) for side in sides]
    dtype = case.versions[0][plan.codes].dtype
    largest = absmax.largest_code(dtype, [side.codes for side in loaded], plan.grid)
    if largest is None:
        raise _unmergeable('scales that are not those of the largest values')
    if plan.maxima:
        largest = absmax.LARGEST[dtype]
    values = [_values(side, plan, largest) for side in loaded]
    base = values.pop() if case.base else None
    merged = desk.blend(plan.codes, base, values)
    entries = _quantised(merged, largest, plan, case.versions[0], desk)
    for name in case.names:
        if name not in entries:
            entries[name] = _other(name, case, desk)
    return entries


def _unmergeable(scheme: str) -> Unsettled:
    return Unsettled(
        f'it is quantised by a scheme ({scheme}) whose codes cannot be merged: '
        'take one side',
    )


def _plan(names: Sequence[str], sides: Sequence[Side], desk: Desk) -> _Plan:
    """What is where, the same on all sides. Raises Unsettled."""
    parts = {match[2]: name for name in names if (match := _PARTS.fullmatch(name))}
    for part, scheme in _FOREIGN.items():
        if part in parts:
            raise _unmergeable(scheme)
    scales = [part for part in (*_SCALES, *_MAXIMA) if part in parts]
    if len(scales) != 1 or 'weight' not in parts:
        raise _unmergeable('not known')
    codes, scale = parts['weight'], parts[scales[0]]
    for side in sides:
        if not all(name in side for name in names):
            raise Unsettled('it is quantised in different ways')
    if len({_form(side, codes, scale) for side in sides}) > 1:
        raise Unsettled('it is quantised in different ways')
    entry, other = sides[0][codes], sides[0][scale]
    if entry.dtype not in absmax.LARGEST:
        raise _unmergeable(f'codes of {entry.dtype}')
    if other.dtype not in dtypes.FLOATS - {'C64', 'C128'}:
        raise _unmergeable(f'scales of {other.dtype}')
    if _ZEROS in parts and any(desk.load(s[parts[_ZEROS]]).any() for s in sides):
        raise _unmergeable('with zero points')
    over = absmax.grid(entry.shape, other.shape)
    if over is None:
        raise _unmergeable('scales of an unknown shape')
    return _Plan(codes, scale, scales[0] in _MAXIMA, over)


def _form(side: Side, *names: str) -> object:
    return tuple((side[name].dtype, side[name].shape) for name in names)


def _loaded(side: Side, plan: _Plan, desk: Desk) -> _Version:
    return _Version(desk.load(side[plan.codes]), desk.load(side[plan.scales]))


def _values(version: _Version, plan: _Plan, largest: float) -> Any:
    """The values in float32. Raises Unsettled for NaN and infinity."""
    import numpy

    scales = version.scales.astype('float32')
    if plan.maxima:
        scales = scales / numpy.float32(largest)
    with numpy.errstate(all='ignore'):
        values = absmax.dequantised(version.codes, scales, plan.grid)
    if not numpy.isfinite(values).all():
        raise Unsettled('both sides changed it, and it holds NaN or infinity')
    return values


def _quantised(
    merged: Any, largest: float, plan: _Plan, like: Side, desk: Desk,
) -> dict[str, Entry]:
    """Codes and scales of the merged values; a scale is rounded before it is used."""
    import numpy

    codes, scale = like[plan.codes], like[plan.scales]
    divisor = numpy.float32(largest if plan.maxima else 1)
    exact = absmax.scales_of(merged, largest, plan.grid)
    stored = numbers.rounded(exact * divisor, scale.dtype)
    used = stored.astype('float32') / divisor
    if not (numpy.isfinite(used).all() and (used > 0).all()):
        raise Unsettled(f'its scales do not fit into {scale.dtype}')
    dtype = dtypes.as_numpy(codes.dtype).newbyteorder('=')
    array = absmax.quantised(merged, used, dtype, largest, plan.grid)
    return {
        plan.codes: desk.save(array, codes),
        plan.scales: desk.save(stored.reshape(scale.shape), scale),
    }


def _other(name: str, case: Case, desk: Desk) -> Entry:
    """A part beside codes and scales: from who changed it.

    Scales of activations are largest magnitudes of what calibration saw: of two
    that changed, the larger is that of both runs together.
    """
    base, versions = case.base.get(name), [side[name] for side in case.versions]
    changed = {
        entry.oid: entry for entry in versions if base is None or entry.oid != base.oid
    }
    if len(changed) < 2:
        return next(iter(changed.values()), versions[0])
    found: Optional[Any] = None
    if name.rpartition('.')[2] in _ACTIVATIONS:
        arrays = [desk.load(entry) for entry in changed.values()]
        if len({(array.dtype, array.shape) for array in arrays}) == 1:
            import numpy

            found = numpy.maximum.reduce(arrays)
    if found is None:
        raise Unsettled(f'both sides changed {name}')
    return desk.save(found, next(iter(changed.values())))
