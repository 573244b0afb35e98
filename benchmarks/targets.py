"""The targets, each with the figure that was measured."""
from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from typing import NamedTuple

import proof
import report
import scenario
from report import MB
from report import Results
from scenario import World
from tools import LFS
from tools import OURS


class Target(NamedTuple):
    """``reached`` is None where there is nothing to compare with."""

    text: str
    measured: str
    reached: bool | None


def lines(
    results: Results, facts: Mapping[str, object], world: World,
) -> Iterator[str]:
    yield '| target | measured | |'
    yield '| --- | --- | --- |'
    words = {True: 'reached', False: '**not reached**', None: 'not comparable'}
    for target in _all(results, facts, world):
        yield f'| {target.text} | {target.measured} | {words[target.reached]} |'


def _all(
    results: Results, facts: Mapping[str, object], world: World,
) -> Iterator[Target]:
    yield from _diff(results, facts, world)
    yield _cpu(results, scenario.ADD, 'add')
    yield _memory(results, scenario.ADD)
    yield _cpu(results, scenario.AGAIN, 'add of 5 % changed', below=True)
    yield _memory(results, scenario.AGAIN)
    yield _stored(facts, world)
    yield _cpu(results, scenario.OLD, 'checkout of the old version')
    yield _cpu(results, scenario.NEW, 'checkout of the new version')
    yield _merge(results, facts)


def _diff(
    results: Results, facts: Mapping[str, object], world: World,
) -> Iterator[Target]:
    smudges = facts['smudges']
    assert isinstance(smudges, proof.Smudges)
    kept = bool(facts['diff reads no tensor'])
    yield Target(
        'diff of two commits: no smudge takes place',
        f'git asks for {smudges.requests} and is handed the manifests, '
        f'{smudges.nbytes / 1e3:.0f} kB (GIT_TRACE_PACKET); '
        f'{"the same" if kept else "NOT the same"} diff with the store taken away',
        kept and smudges.nbytes < 0.01 * world.model.nbytes,
    )
    wall = results.get(scenario.WARM, OURS, report.wall) or 0
    peak = results.get(scenario.WARM, OURS, report.together) or 0
    yield Target(
        'diff of two commits, statistics cached: under 1 s and 200 MB',
        f'{wall:.2f} s, {peak / MB:.0f} MB', wall < 1 and peak < 200 * MB,
    )
    distinct = len(world.model.tensors) + len(world.changed[scenario.NEXT])
    rows = facts['statistics']
    spent = results.get(scenario.COLD, OURS, report.cpu) or 0
    yield Target(
        'diff without the cache: statistics of each tensor once',
        f'{rows} for {distinct} distinct tensors, {spent:.2f} CPU s', rows == distinct,
    )


def _cpu(results: Results, step: str, name: str, below: bool = False) -> Target:
    ratio = results.ratio(step, report.cpu)
    ours = results.get(step, OURS, report.cpu) or 0
    text = f'{name}: {"less than" if below else "at most"} 1.0 × the CPU of {LFS}'
    if ratio is None:
        return Target(text, f'{ours:.2f} s', None)
    theirs = results.get(step, LFS, report.cpu) or 0
    measured = f'{ratio:.2f} × ({ours:.2f} s to {theirs:.2f} s)'
    return Target(text, measured, ratio < 1 if below else ratio <= 1)


def _memory(results: Results, step: str) -> Target:
    git, ours = (
        (results.get(step, OURS, figure) or 0) / MB
        for figure in (report.of_git, report.of_filter)
    )
    return Target(
        f'{step}: peak memory of filter and git under 200 MB',
        f'filter {ours:.0f} MB, git {git:.0f} MB', git + ours < 200,
    )


def _stored(facts: Mapping[str, object], world: World) -> Target:
    names = world.changed[scenario.NEXT]
    raw, stored = world.model.size(names), float(str(facts['v1 bytes']))
    count = facts['v1 objects']
    return Target(
        'add of 5 % changed: only the changed tensors are stored',
        f'{count} objects for {len(names)} changed tensors; '
        f'{stored / MB:.1f} MB for {raw / MB:.1f} MB',
        count == len(names) and stored < 1.05 * raw + 1e5,
    )


def _merge(results: Results, facts: Mapping[str, object]) -> Target:
    same = bool(facts['merge reads no tensor'])
    wall = results.get(scenario.TREE, OURS, report.wall) or 0
    return Target(
        'merge of disjoint changes: no tensor is read',
        f'{"the same" if same else "NOT the same"} tree with the store taken away; '
        f'{wall:.2f} s without the checkout', same,
    )
