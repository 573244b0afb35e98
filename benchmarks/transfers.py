"""Pushes and clones of a model, beside git-lfs: python benchmarks/transfers.py [--mb N]

Writes benchmarks/transfers.md. All ways that are compared take turns, one push (one
clone) by each after the other, so that what else the machine does costs each alike;
where one takes a moment there are several rounds (--times), to fresh repositories, and
the median is told. "Another disk" is another file system (--other), where nothing can
be linked. The servers are those of the tests, on this machine, in the process that
measures: their CPU counts only where git starts them itself (file://).
Needs what the tests need, git-lfs, and twenty times the model in free space.
"""
from __future__ import annotations

import argparse
import compileall
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from measure import FILTER  # noqa: E402
from measure import Sample  # noqa: E402
from model import BF16  # noqa: E402
from model import Model  # noqa: E402
from model import tensors  # noqa: E402
from stories import FILE  # noqa: E402
from stories import KINDS  # noqa: E402
from stories import LFS  # noqa: E402
from stories import OTHER  # noqa: E402
from stories import Kind  # noqa: E402
from stories import Story  # noqa: E402

from tests.testing.lfsserver import lfs  # noqa: E402

_SMALL = 200_000_000     # bytes: whatever is done with them takes a moment
PARTS = ('first', 'second')
_FLOOR = Kind('git', FILE, 'git')


class Row(NamedTuple):
    """One way: samples of each push, then of clones."""

    kind: Kind
    samples: list[Sample]
    moved: list[int]        # bytes by which the other side grew
    floor: Sample | None    # Git's own push of the same stored pack


class Turns:
    """Ways that are compared, one after the other, again and again."""

    def __init__(self, stories: Sequence[Story], times: int, *, small: bool) -> None:
        self.stories = stories
        self.times = times
        self.small = small
        self.costs: dict[Kind, list[list[Sample]]] = {
            story.kind: [[], [], []] for story in stories
        }
        self.moved: dict[Kind, list[int]] = {}
        self.floors: dict[Kind, Sample] = {}

    def rows(self) -> list[Row]:
        for number in reversed(range(self.times)):
            for story in self._in_round(number, lambda kind: kind.takes_a_moment):
                self._pushes(story, number)
        for number in range(self.times):
            for story in self._in_round(number, lambda _: False):
                self.costs[story.kind][-1].append(story.clone(number))
        return [
            Row(kind, list(map(_middle, costs)), self.moved[kind],
                self.floors.get(kind))
            for kind, costs in self.costs.items()
        ]

    def _in_round(self, number: int, is_short: Callable[[Kind], bool]) -> list[Story]:
        """All are in round 0, in others those that take a moment."""
        return [
            story for story in self.stories
            if not number or self.small or is_short(story.kind)
        ]

    def _pushes(self, story: Story, number: int) -> None:
        story.point_at(number)
        grown = []
        for part, costs in zip(PARTS, self.costs[story.kind]):
            sample, moved = story.push(part)
            costs.append(sample)
            grown.append(moved)
            if (part, story.kind, number) == (PARTS[0], _FLOOR, 0):
                self.floors[story.kind] = story.floor()
        if number:
            story.put_aside(number)
        else:
            self.moved[story.kind] = grown


def _middle(samples: list[Sample]) -> Sample:
    return sorted(samples, key=lambda sample: sample.cpu)[len(samples) // 2]


def report(rows: list[Row], nbytes: int, times: int) -> list[str]:
    lines = [
        '# Transfers', '',
        f'A bf16 model of {nbytes / 1e6:,.0f} MB, 149 tensors; "5 % changed" is 7 '
        'tensors with 5 % of the bytes. CPU seconds of git and all that it starts on',
        'the user\'s side; over file:// that is the server, too. In brackets the ratio '
        'to git-lfs by the same way. Memory is that of the largest process that',
        'is not git. "Another disk" is another file system, where nothing can be '
        'linked. Written by `benchmarks/transfers.py`, '
        f'all ways of a kind in turns; '
        f'{"costs" if nbytes < _SMALL else "costs of pushes that take a moment"} '
        f'are medians of {times}.', '',
        f'{os.cpu_count()} cores · {platform.system()} {platform.release()} · Python '
        f'{platform.python_version()} · {_version("git")} · {_version("git-lfs")} · '
        f'{time.strftime("%Y-%m-%d")}', '',
        '| tensors, way | push | push, 5 % changed | clone | bytes moved | 5 % changed '
        '| peak MB |', '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ]
    peers = {row.kind.over: row for row in rows if row.kind.name == LFS}
    lines += [_line(row, peers[row.kind.over]) for row in rows]
    return [*lines, '', *(_beside_floor(row) for row in rows if row.floor)]


def _beside_floor(row: Row) -> str:
    assert row.floor
    ours, gits, moved = row.samples[0].cpu, row.floor.cpu, row.moved[0] / 1e9
    return (
        f'Git alone pushes what "{row.kind.label}" stored for the first push, packed '
        f'as it is, in {gits:.2f} s: {gits / moved:.1f} s per GB moved, both sides '
        f'together. Ours, which makes that pack first, takes {ours / gits:.2f} times '
        f'that, {ours / moved:.1f} s per GB.'
    )


def _line(row: Row, peer: Row) -> str:
    costs = [f'{sample.cpu:.2f}' for sample in row.samples]
    if row is not peer:
        costs = [
            f'{cost} ({mine.cpu / other.cpu:.2f})'
            for cost, mine, other in zip(costs, row.samples, peer.samples)
        ]
    first, second = row.moved
    peak = max(sample.peak.get(FILTER, 0) for sample in row.samples)
    return (
        f'| {row.kind.label} | {" | ".join(costs)} | {first / 1e6:.1f} MB | '
        f'{second / 1e6:.1f} MB ({100 * second / first:.1f} %) | {peak / 1e6:.0f} |'
    )


def _version(program: str) -> str:
    done = subprocess.run((program, '--version'), capture_output=True, check=True)
    return done.stdout.decode().split(' (')[0].strip()


@contextmanager
def compared(
    kinds: Sequence[Kind], model: Model, folder: Path,
) -> Iterator[list[Story]]:
    """Their repositories and servers, with both commits."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        elsewhere = stack.enter_context(tempfile.TemporaryDirectory(dir=folder))
        stories: list[Story] = []
        for kind in kinds:
            place = Path(elsewhere) if kind.over == OTHER else root
            far = place / f'far{len(stories)}'
            far.mkdir()
            server = stack.enter_context(lfs(far))
            stories.append(Story(kind, root, far, server.url))
            stories[-1].begin(model, PARTS)
        yield stories


def chosen(words: str) -> list[Kind]:
    """With these words in their labels, and what they are compared with."""
    wanted = [kind for kind in KINDS if words in kind.label]
    ways = {kind.over for kind in wanted}
    return [
        kind for kind in KINDS
        if kind in wanted or (kind.name == LFS and kind.over in ways)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--mb', type=int, default=1000)
    parser.add_argument('--times', type=int, default=7)
    parser.add_argument('--other', type=Path, default=Path('/dev/shm'),
                        help='a directory of another file system')
    parser.add_argument('--only', default='', help='kinds with this in their names')
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks/transfers.md')
    args = parser.parse_args()
    # As pip does, for where Python may write no bytecode.
    compileall.compile_dir(ROOT / 'git_model_driver', quiet=1)
    model = Model(tensors(args.mb * 1_000_000, BF16))
    kinds = chosen(args.only)
    rows = []
    for way in dict.fromkeys(kind.over for kind in kinds):
        together = [kind for kind in kinds if kind.over == way]
        with compared(together, model, args.other) as stories:
            rows += Turns(stories, args.times, small=model.nbytes < _SMALL).rows()
        for row in rows[-len(together):]:
            print(row.kind.label, *(f'{s.cpu:.2f}' for s in row.samples), flush=True)
    text = '\n'.join([*report(rows, model.nbytes, args.times), ''])
    args.output.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
