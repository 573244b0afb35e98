"""Compare our methods with mergekit 0.1.5's, where that is installed.

    PYTHONPATH=. <python with torch and mergekit> tests/oracles/mergekit_agreement.py

Prints a line for each configuration: how many float32 elements differ, and by how
much at most. Exit code 1 if one is outside of what we promise.
"""
from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy
import torch
from mergekit.merge_methods.api import merge_tensors

from tests.testing.operands import merge

EXACT = 0.0
CLOSE = 2.4e-7
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


def compare(
    method: str, parameters: dict[str, Any], weighted: bool, n: int, seed: int,
) -> tuple[int, float]:
    """Elements that differ over all shapes, and the largest difference."""
    different, most = 0, 0.0
    for shape in SHAPES:
        base, *versions = tensors(shape, n, seed)
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
        ours = merge(method, base, versions, weights, **said)
        different += int((ours.view('u4') != theirs.view('u4')).sum())
        most = max(most, float(numpy.abs(ours - theirs).max()))
    return different, most


def main() -> int:
    failed = 0
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
