"""Compare our methods with mergekit 0.1.5's, where that is installed.

    PYTHONPATH=. <python with torch and mergekit> tests/oracles/mergekit_agreement.py

Prints a line for each configuration: how many float32 elements differ, and by how
much at most; then the same for bfloat16 models, for which mergekit computes in float32
and both results are rounded. Exit code 1 if one is outside of what we promise.
"""
from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy
import torch
from mergekit.merge_methods.api import merge_tensors

from tests.testing.operands import merge

EXACT = 0.0
CLOSE = 2.4e-7
NEAR = 5e-7     # of bfloat16 inputs, whose float32 results are rounded anyway
BF16 = ml_dtypes.bfloat16
SHAPES = [(64, 96), (1000,), (3, 5, 7), (257, 300)]


def tensors(shape: tuple[int, ...], n: int, seed: int) -> list[Any]:
    """Base and n versions: mostly small changes, some elements left alone."""
    r = numpy.random.default_rng(seed)
    base = (r.standard_normal(shape) * 0.05).astype('float32')
    found = [base]
    for _ in range(n):
        moved = r.standard_normal(shape) * 0.01 * (r.random(shape) < 0.8)
        found.append((base + moved).astype('float32'))
    return found


def configurations() -> Iterator[tuple[str, dict[str, Any], bool, float]]:
    """(method, parameters, whether it takes weights, tolerance)."""
    for factor, norm in itertools.product((1.0, 0.7), (False, True)):
        common = {'lambda': factor, 'normalize': norm}
        yield 'task_arithmetic', common, True, EXACT
        for density in (1.0, 0.5, 0.3, 0.01):
            yield 'ties', {**common, 'density': density}, True, EXACT
            yield 'breadcrumbs', {**common, 'density': density}, True, EXACT
            more = {**common, 'density': density, 'gamma': 0.05}
            yield 'breadcrumbs_ties', more, True, EXACT
    for density in (0.5, 0.2):
        yield 'ties', {'density': density, 'rescale': True}, True, CLOSE
    for epsilon in (1e-5, 1e-3):
        yield 'ram', {'epsilon': epsilon}, False, EXACT
        yield 'ramplus_tl', {'epsilon': epsilon}, False, CLOSE
    for topk in (1.0, 0.5, 0.1):
        yield 'sce', {'select_topk': topk}, False, CLOSE
    yield 'linear', {}, True, CLOSE
    for share in (0.3, 0.5):
        yield 'slerp', {'t': share}, False, CLOSE
    for flatten, row_wise in ((True, False), (False, False), (False, True)):
        more = {'nuslerp_flatten': flatten, 'nuslerp_row_wise': row_wise}
        for use_base in (False, True):
            yield 'nuslerp', {**more, 'use_base': use_base}, True, CLOSE
    for use_base in (False, True):
        yield 'multislerp', {'use_base': use_base}, True, CLOSE
    yield 'karcher', {}, False, CLOSE
    for filter_wise in (False, True):
        yield 'model_stock', {'filter_wise': filter_wise}, False, CLOSE
    for near in (0.001, 0.01):
        yield 'nearswap', {'t': near}, False, CLOSE
    yield 'arcee_fusion', {}, False, CLOSE


NO_BASE = ('linear', 'karcher')
OURS_IS_BASE = ('slerp', 'nearswap', 'arcee_fusion')


Results = Iterator[tuple[Any, list[Any], Any, Any]]


def results(
    method: str, parameters: dict[str, Any], weighted: bool, n: int, seed: int,
    dtype: Any = 'float32',
) -> Results:
    """Base, versions, our result and mergekit's, in float32, for each shape."""
    for shape in SHAPES:
        base, *versions = (
            x.astype(dtype).astype('float32') for x in tensors(shape, n, seed)
        )
        weights = ['0.6', '1', '0.3'][:n] if weighted else []
        given = dict(parameters)
        if weighted:
            given['weight'] = [float(w) for w in weights]
        inputs = [torch.from_numpy(x) for x in versions]
        based = method not in NO_BASE and given.pop('use_base', True)
        if based and method not in OURS_IS_BASE:
            inputs = [torch.from_numpy(base), *inputs]
        theirs = merge_tensors(
            inputs, method, parameters=given, base_index=0 if based else None,
            name='layers.0.weight',
        ).numpy()
        said = {k: v if isinstance(v, bool) else str(v) for k, v in parameters.items()}
        given = [x.astype(dtype) for x in (base, *versions)]
        ours = merge(method, given[0], given[1:], weights, **said)
        yield base, versions, ours, theirs


def compare(
    method: str, parameters: dict[str, Any], weighted: bool, n: int, seed: int,
) -> tuple[int, float]:
    """Elements that differ over all shapes, and the largest difference."""
    different, most = 0, 0.0
    for _, _, ours, theirs in results(method, parameters, weighted, n, seed):
        different += int((ours.view('u4') != theirs.view('u4')).sum())
        most = max(most, float(numpy.abs(ours - theirs).max()))
    return different, most


def compare_bf16(
    method: str, parameters: dict[str, Any], weighted: bool, n: int, seed: int,
) -> tuple[int, int, int]:
    """Elements whose bfloat16 differ: by threshold ties, by rounding ties, others.

    A rounding tie: the float32 are near, but on two sides of the middle between two
    bfloat16.
    """
    tied = rounded = others = 0
    for base, versions, ours, theirs in results(
        method, parameters, weighted, n, seed, BF16,
    ):
        differ = ours.astype(BF16).view('u2') != theirs.astype(BF16).view('u2')
        # Which of equal elements sce keeps changes the weights of all others a little.
        near = abs(ours - theirs) <= (1e-4 if method == 'sce' else NEAR)
        ties = on_threshold(method, parameters, base, versions)
        rounded += int((differ & near).sum())
        tied += int((differ & ~near & ties).sum())
        others += int((differ & ~near & ~ties).sum())
    return tied, rounded, others


def on_threshold(
    method: str, parameters: dict[str, Any], base: Any, versions: list[Any],
) -> Any:
    """Where a change is as large as others of which some are kept and some dropped."""
    found = numpy.zeros(base.shape, bool)
    density = parameters.get('density', parameters.get('select_topk', 1.0))
    if density == 1.0 and 'gamma' not in parameters and method != 'breadcrumbs':
        return found
    deltas = [x - base for x in versions]
    if method == 'sce':     # by variances, which float32 rounds
        spread = numpy.var(numpy.array(deltas, 'f8'), axis=0)
        kept = int(density * (spread > 0).sum())
        edge = numpy.sort(spread.reshape(-1))[::-1][kept - 1]
        return abs(spread - edge) <= 1e-5 * edge
    for size in (abs(delta) for delta in deltas):
        ordered = numpy.sort(size.reshape(-1))[::-1]
        kept = int(density * size.size)
        top = int(parameters.get('gamma', 0.01) * size.size)
        for rank in (kept, top, top + kept, size.size - top):
            if rank == kept or (0 < rank < size.size and 'breadcrumbs' in method):
                near = ordered[max(0, rank - 1):rank + 1]
                found |= numpy.isin(size, near)
    return found


def report_bf16() -> int:
    failed = 0
    for method, parameters, weighted, tolerance in configurations():
        for n in (2, 3) if method not in (*OURS_IS_BASE, 'nuslerp') else (2,):
            tied, rounded, others = compare_bf16(method, parameters, weighted, n, n)
            bad = others > (100 if method == 'arcee_fusion' else 0)
            bad |= tolerance == EXACT and rounded > 0
            failed += bad
            print(f'{"BAD " if bad else "ok  "}bf16 {method} {n} versions {parameters}:'
                  f' {tied} threshold ties, {rounded} rounding ties, {others} others')
    return failed


def main() -> int:
    failed = report_bf16()
    for method, parameters, weighted, tolerance in configurations():
        for n in (2, 3) if method not in (*OURS_IS_BASE, 'nuslerp') else (2,):
            different, most = compare(method, parameters, weighted, n, seed=n)
            bad = different > 0 if tolerance == EXACT else most > tolerance
            if method == 'arcee_fusion':    # which side of a threshold
                bad = different > 100
            failed += bad
            print(f'{"BAD " if bad else "ok  "}{method} {n} versions {parameters}: '
                  f'{different} differ, at most {most:.2g}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
