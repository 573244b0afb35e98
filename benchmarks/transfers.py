"""Pushes and clones of a model, beside git-lfs: python benchmarks/transfers.py [--mb N]

Writes benchmarks/transfers.md. All that is compared takes turns, one push (one clone)
by each after the other, and another one begins each round, so that what else the
machine does costs each alike; medians are told. Where a push takes a moment there are
--times rounds, to fresh repositories, otherwise one; of clones there are three rounds,
of small models --times. "Another disk" is another file system (--other), where nothing
can be linked. The servers are those of the tests, on this machine, in the process that
measures: their CPU counts only where git starts them itself (file://).
Needs what the tests need, git-lfs, and thirty times the model in free space.
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
from dataclasses import replace
from functools import partial
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
from stories import HTTP  # noqa: E402
from stories import KINDS  # noqa: E402
from stories import LFS  # noqa: E402
from stories import OTHER  # noqa: E402
from stories import Kind  # noqa: E402
from stories import M  # noqa: E402
from stories import Side  # noqa: E402
from stories import Story  # noqa: E402

from tests.testing.lfsserver import lfs  # noqa: E402

_CLONES = 3              # of a large model
_SMALL = 200_000_000     # bytes: whatever is done with them takes a moment
_FLOOR = Kind('git', FILE, 'git')


class Row(NamedTuple):
    """One way: samples of each push, then of clones."""

    kind: Kind
    samples: list[Sample]
    moved: list[int]        # bytes by which the other side grew
    floor: Sample | None    # Git's own push of the same stored pack


class Turns:
    """Ways that are compared, one after the other, again and again."""

    def __init__(self, stories: Sequence[Story], model: Model) -> None:
        self.stories = stories
        self.model = model
        self.most = max(len(story.sides) for story in stories)
        self.costs: dict[Kind, list[list[Sample]]] = {s.kind: [] for s in stories}
        self.moved: dict[Kind, list[int]] = {s.kind: [] for s in stories}
        self.floors: dict[Kind, Sample] = {}

    def rows(self) -> list[Row]:
        for number in range(2):
            for story in self.stories:
                self.costs[story.kind].append([])
                self._commit(story, number)
            self._pushes()
            for story in self.stories:
                if not number and story.kind == _FLOOR:
                    self.floors[story.kind] = story.floor()
        self._clones()
        return [
            Row(kind, list(map(_middle, costs)), self.moved[kind],
                self.floors.get(kind))
            for kind, costs in self.costs.items()
        ]

    def _commit(self, story: Story, number: int) -> None:
        path = story.repository / M
        if number:
            self.model.train(path, self.model.pick(number), number)
        else:
            story.begin()
            self.model.write(path)
        story.commit(str(number))

    def _pushes(self) -> None:
        """To the last side first: what is on the first one is cloned."""
        for number in reversed(range(self.most)):
            for story in self._from(number):
                if number >= len(story.sides):
                    continue
                sample, grown = story.push(story.sides[number])
                self.costs[story.kind][-1].append(sample)
                if not number:
                    self.moved[story.kind].append(grown)

    def _clones(self) -> None:
        for story in self.stories:
            self.costs[story.kind].append([])
        is_small = self.model.nbytes < _SMALL
        for number in range(self.most if is_small else _CLONES):
            for story in self._from(number):
                self.costs[story.kind][-1].append(story.clone(number, keep=is_small))

    def _from(self, number: int) -> Sequence[Story]:
        """Another one begins each round."""
        first = number % len(self.stories)
        return [*self.stories[first:], *self.stories[:first]]


def _middle(samples: list[Sample]) -> Sample:
    """Of median cost, with the largest peak of all."""
    middle = sorted(samples, key=lambda sample: sample.cpu)[len(samples) // 2]
    peak = max(sample.peak.get(FILTER, 0) for sample in samples)
    return replace(middle, peak={FILTER: peak})


def report(rows: list[Row], nbytes: int, times: int, other: Path) -> list[str]:
    lines = [
        '# Transfers', '',
        f'A bf16 model of {nbytes / 1e6:,.0f} MB, 149 tensors; "5 % changed" is 7 '
        'tensors with 5 % of the bytes. CPU seconds of git and all that it starts on',
        'the user\'s side; over file:// that is the server, too. In brackets the ratio '
        'to git-lfs by the same way. Memory is that of the largest process that',
        f'is not git. "Another disk" is {other}, another file system, where nothing '
        'can be linked. Written by `benchmarks/transfers.py`, what is compared in '
        f'turns; {_repeated(nbytes, times)}', '',
        f'{os.cpu_count()} cores · {platform.system()} {platform.release()} · Python '
        f'{platform.python_version()} · {_version("git")} · {_version("git-lfs")} · '
        f'{time.strftime("%Y-%m-%d")}', '',
        '| tensors, way | push | push, 5 % changed | clone | bytes moved | 5 % changed '
        '| peak MB |', '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ]
    peers = {row.kind.over: row for row in rows if row.kind.name == LFS}
    lines += [_line(row, peers[row.kind.over]) for row in rows]
    return [*lines, '', *(_beside_floor(row) for row in rows if row.floor)]


def _repeated(nbytes: int, times: int) -> str:
    if nbytes < _SMALL:
        return f'each cost is the median of {times}.'
    return (f'pushes to a directory are medians of {times}, on another disk of '
            f'{min(times, 3)}, clones of {_CLONES}; other pushes were done once.')


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
    kinds: Sequence[Kind], rounds: Callable[[Kind], int], folder: Path,
) -> Iterator[list[Story]]:
    """Their repositories, and what they are pushed to in each round."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        other = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))

        def side(kind: Kind, number: int) -> Side:
            place = other if kind.over == OTHER else root
            far = place / 'sides' / kind.folder / str(number)
            far.mkdir(parents=True)
            if kind.over != HTTP:
                return Side(far, f'file://{far}')
            return Side(far, stack.enter_context(lfs(far)).url)

        yield [
            Story(kind, root, [side(kind, n) for n in range(rounds(kind))])
            for kind in kinds
        ]


def rounds_of(kind: Kind, nbytes: int, times: int) -> int:
    """So many as time and memory (the other disk is one) allow."""
    if nbytes < _SMALL:
        return times
    if kind.over == HTTP or kind.name == 'git':
        return 1
    return min(times, 3) if kind.over == OTHER else times


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
    rounds = partial(rounds_of, nbytes=model.nbytes, times=args.times)
    kinds = chosen(args.only)
    rows = []
    for way in dict.fromkeys(kind.over for kind in kinds):
        together = [kind for kind in kinds if kind.over == way]
        with compared(together, rounds, args.other) as stories:
            rows += Turns(stories, model).rows()
        for row in rows[-len(together):]:
            print(row.kind.label, *(f'{s.cpu:.2f}' for s in row.samples), flush=True)
    text = '\n'.join([*report(rows, model.nbytes, args.times, args.other), ''])
    args.output.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
