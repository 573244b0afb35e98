"""A bf16 model of 1 GB beside git-lfs, and how much memory larger ones take."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import bench
import commits
import measure
import scenario
from model import BF16
from model import Model
from model import Tensor
from model import sha256
from model import tensors
from scenario import World
from tools import OURS
from tools import available

GB = 1_000_000_000
CHANGED, ROUNDS = 5, 3      # of 149 tensors
STEPS = (scenario.ADD, scenario.AGAIN, scenario.OLD, scenario.NEW)
Record = dict[str, Any]


def beside_lfs(size: int, rounds: int, scratch: Path | None) -> Record:
    """By step and tool: medians, and the bytes that were stored."""
    with TemporaryDirectory(dir=scratch, prefix='throughput-') as name:
        world = World(size, Path(name), BF16, CHANGED)
        world.generate()
        steps = [step for step in scenario.STEPS if step.name in STEPS]
        tools = available(plain=False)
        run = bench.measured(world, tools, rounds, steps, Path(name))
    return {
        'size': world.model.nbytes, 'rounds': rounds,
        'changed': world.model.size(world.changed[scenario.NEXT]),
        'steps': {step: {tool: _medians(run, step, tool) for tool in tools}
                  for step in STEPS},
        'stored': {tool: [run.facts[tool][f'v{i} bytes'] for i in (0, 1)]
                   for tool in tools},
    }


def _medians(run: bench.Measured, step: str, tool: str) -> Record:
    samples = run.results.samples[step, tool]
    return {
        'cpu': median(s.cpu for s in samples), 'wall': median(s.wall for s in samples),
        'peak': max(s.peak.get(measure.FILTER, 0) for s in samples),
    }


def models(unit: int) -> Iterator[tuple[str, Model]]:
    yield f'{unit / GB:g} GB', Model(tensors(unit, BF16))
    yield f'{8 * unit / GB:g} GB', Model(tensors(8 * unit, BF16))
    one = Tensor('weight', (4 * unit // 2048, 1024), BF16)
    yield f'one tensor of {4 * unit / GB:g} GB', Model([one])


def memory(model: Model, scratch: Path | None, tool: str = OURS) -> Record:
    """Peak of the filter in an add, and in a checkout where git has the memory."""
    with commits.repository(tool, scratch) as repo:
        model.write(repo.file)
        repo.aged()
        expected = sha256(repo.file)
        added = commits.run(repo, 'add', repo.file.name)
        repo.git('commit', '-q', '-m', 'one')
        record = {
            'size': model.nbytes, 'add': added.peak[measure.FILTER],
            'add git': added.peak[measure.GIT], 'add cpu': added.cpu,
            'stored': measure.size_of(repo.git_dir),
        }
        repo.file.unlink()
        if _available() > 1.5 * model.nbytes:
            back = commits.run(repo, 'checkout', '-q', '--', repo.file.name)
            assert sha256(repo.file) == expected, tool
            record |= {'checkout': back.peak[measure.FILTER], 'checkout cpu': back.cpu}
        return record


def _available() -> int:
    lines = Path('/proc/meminfo').read_text().splitlines()
    fields = dict(line.split(':') for line in lines)
    return int(fields['MemAvailable'].split()[0]) << 10
