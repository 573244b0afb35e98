"""Measure git-model beside git-lfs and git, and write what came of it.

Each tool works in a repository and a home directory of its own. They take turns
step by step, so that what else the machine does falls on all of them alike.
"""
from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import measure
import report
import targets
from measure import Sample
from report import Results
from scenario import STEPS
from scenario import Step
from scenario import World
from tools import LFS
from tools import OURS
from tools import PLAIN
from tools import Repository
from tools import available
from tools import version

RESULTS = Path(__file__).with_name('results.md')
FULL, QUICK = 1_000_000_000, 30_000_000


class Measured(NamedTuple):
    results: Results
    facts: dict[str, dict[str, object]]
    world: World


def main() -> int:
    args = _arguments()
    measure.adopt_orphans()
    text = _document(args, _measure(args))
    print(text)
    if args.output:
        args.output.write_text(text, encoding='utf-8')
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=int, metavar='BYTES', help='of the model')
    parser.add_argument('--rounds', type=int, metavar='N')
    parser.add_argument('--quick', action='store_true',
                        help='30 MB, one round, nothing written: under a minute')
    parser.add_argument('--no-git', action='store_true', help='leave plain git out')
    parser.add_argument('--scratch', type=Path, help='where to work (default: a '
                        'temporary folder); it takes about 20 times the size')
    parser.add_argument('--output', type=Path, metavar='FILE',
                        help='default: results.md, with --quick none')
    args = parser.parse_args()
    args.size = args.size or (QUICK if args.quick else FULL)
    args.rounds = args.rounds or (1 if args.quick else 3)
    if not args.output and not args.quick:
        args.output = RESULTS
    return args


def _measure(args: argparse.Namespace) -> Measured:
    tools = available(not args.no_git)
    with tempfile.TemporaryDirectory(dir=args.scratch, prefix='bench-') as name:
        world = World(args.size, Path(name))
        world.generate()
        return measured(world, tools, args.rounds, STEPS, Path(name))


def measured(
    world: World, tools: list[str], rounds: int, steps: Sequence[Step], top: Path,
) -> Measured:
    """The tools take turns at every step, so many rounds; git alone has but one."""
    samples: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    notes: dict[tuple[str, str], str] = {}
    facts: dict[str, dict[str, object]] = {}
    for number in range(rounds):
        taking_part = [t for t in tools if t != PLAIN or number == 0]
        folder = top / f'round{number}'
        _round(world, folder, taking_part, steps, samples, notes, facts)
        shutil.rmtree(folder)
    return Measured(Results(samples, notes, tools), facts, world)


def _round(
    world: World,
    folder: Path,
    tools: list[str],
    steps: Sequence[Step],
    samples: dict[tuple[str, str], list[Sample]],
    notes: dict[tuple[str, str], str],
    facts: dict[str, dict[str, object]],
) -> None:
    repositories = [Repository(tool, folder / tool) for tool in tools]
    for step in steps:
        for repo in repositories:
            step.prepare(world, repo)
            os.sync()       # no writing back of the step before
            with open(folder / 'out.txt', 'wb') as out:
                sample = repo.measure(step.command, out)
            note = step.check(world, repo, sample)
            print(f'{step.name}: {repo.tool}: {sample} {note or ""}', file=sys.stderr)
            samples[step.name, repo.tool].append(sample)
            if note:
                notes[step.name, repo.tool] = note
        repositories.append(repositories.pop(0))
    facts.update((repo.tool, repo.facts) for repo in repositories)


def _document(args: argparse.Namespace, run: Measured) -> str:
    results, facts, world = run
    changed = world.changed[1]
    share = world.model.size(changed) / world.model.nbytes
    parts = [
        '# Benchmark',
        f'A safetensors file of {args.size / 1e6:,.0f} MB, float32, '
        f'{len(world.model.tensors)} tensors; "5 % changed" is {len(changed)} tensors '
        f'with {100 * share:.1f} % of the bytes, each element moved a little. '
        f'Medians of {args.rounds} round{"s" * (args.rounds != 1)}. '
        'Written by `benchmarks/run`.',
        ' · '.join(machine()),
        '## Targets',
        '\n'.join(targets.lines(results, facts[OURS], world)),
        '## Beside git-lfs and git',
        report.legend(results),
        '### CPU seconds',
        results.table(report.cpu),
        '### Wall seconds',
        results.table(report.wall),
        '### Peak memory, MB',
        results.memory(),
        '### Bytes stored',
        report.sizes(facts, results),
    ]
    return '\n\n'.join(parts) + '\n'


def machine() -> Iterator[str]:
    yield _cpu_name()
    yield f'{len(os.sched_getaffinity(0))} cores'
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    yield f'{memory / 2**30:.0f} GiB'
    yield f'{platform.system()} {platform.release().split("-")[0]}'
    yield f'Python {platform.python_version()}'
    yield version(['git', '--version'])
    yield version([LFS, '--version']).split(' (')[0] or f'no {LFS}'
    yield version([str(Path(sys.executable).with_name('git-model')), '--version'])


def _cpu_name() -> str:
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.partition(':')[2].strip()
    return platform.machine()


if __name__ == '__main__':
    sys.exit(main())
