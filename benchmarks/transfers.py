"""Pushes and clones of a model, beside git-lfs: python benchmarks/transfers.py [--mb N]

Writes benchmarks/transfers.md. A push that takes a moment is made to several fresh
repositories (--times), a small model is cloned several times, and the median told.
"Another disk" is another file system (--other), where nothing can be linked. The
servers are those of the tests, on this machine, in the process that measures: their
CPU counts only where git starts them itself (file://).
Needs what the tests need, git-lfs, and four times the model in free space.
"""
from __future__ import annotations

import argparse
import compileall
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import measure  # noqa: E402
from measure import FILTER  # noqa: E402
from measure import Sample  # noqa: E402
from model import BF16  # noqa: E402
from model import Model  # noqa: E402
from model import tensors  # noqa: E402

from tests.testing.lfsserver import lfs  # noqa: E402
from tests.testing.repository import pinned_environment  # noqa: E402

M = 'm.safetensors'
HTTP, FILE, OTHER = 'http', 'file', 'another disk'
LFS = 'git-lfs'
_SMALL = 200_000_000     # bytes: a clone takes a moment
STEPS = ('push', 'push, 5 % changed', 'clone')


class Kind(NamedTuple):
    """A way to keep tensors, and how the Git remote is reached."""

    name: str
    over: str
    store: str = ''     # remote.origin.modelStore

    @property
    def label(self) -> str:
        return f'{self.name}, {self.over}'


KINDS = [
    Kind(LFS, HTTP), Kind('git', HTTP, 'git'), Kind('lfs', HTTP, 'lfs'),
    Kind(LFS, FILE), Kind('git', FILE, 'git'), Kind('directory', FILE, 'directory'),
    Kind('/a/directory', FILE, '{share}'), Kind('lfs', FILE, 'lfs'),
    Kind(LFS, OTHER), Kind('directory', OTHER, 'directory'),
    Kind('/a/directory', OTHER, '{share}'), Kind('lfs', OTHER, 'lfs'),
]
_FLOOR = Kind('git', FILE, 'git')


class Row(NamedTuple):
    kind: Kind
    samples: list[Sample]
    moved: list[int]        # bytes by which the other side grew
    floor: Sample | None    # Git's own push of the same stored pack


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Sample:
    """Measured in a process of its own: whose children are nobody else's."""
    context = multiprocessing.get_context('fork')
    answers = context.Queue()

    def work() -> None:
        measure.adopt_orphans()
        answers.put(measure.run(command, cwd, env))

    process = context.Process(target=work)
    process.start()
    sample: Sample = answers.get()
    process.join()
    if sample.code:
        said = (cwd.parent / 'stderr.txt').read_text(errors='replace')
        raise SystemExit(f'{" ".join(command)}: {sample.code}\n{said}')
    return sample


def _middle(samples: list[Sample]) -> Sample:
    return sorted(samples, key=lambda sample: sample.cpu)[len(samples) // 2]


class Story:
    """One kind: a repository, what it pushes to, and clones of that."""

    def __init__(
        self, kind: Kind, root: Path, far: Path, model: Model, url: str, times: int,
    ) -> None:
        self.kind = kind
        self.model = model
        self.times = 1 if kind.over == HTTP or kind.name == 'git' else times
        self.clones = times if model.nbytes < _SMALL else 1
        name = kind.label.replace(', ', '-').replace('/', '_').replace(' ', '_')
        self.root = root / name
        self.place = far
        for folder in (*map(self.share, range(self.times)), self.root / 'home'):
            folder.mkdir(parents=True)
        self.env = {
            **os.environ, **pinned_environment(self.root / 'home'),
            'GIT_ALLOW_PROTOCOL': 'file:http',
        }
        self.base = url if kind.over == HTTP else f'file://{far}'
        self.repository = self.root / 'here'

    def share(self, number: int) -> Path:
        return self.place / f'share{number}'

    def far(self, number: int) -> Path:
        return self.place / f'far{number}.git'

    def url(self, number: int) -> str:
        return f'{self.base}/{self.far(number).name}'

    def git(self, *args: str, cwd: Path | None = None) -> None:
        subprocess.run(
            ('git', *args), cwd=cwd or self.root, env=self.env, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def prepare(self) -> None:
        for number in range(self.times):
            far = self.far(number)
            self.git('init', '-q', '--bare', '-b', 'main', str(far))
            self.git('config', 'http.receivepack', 'true', cwd=far)
        self.git('init', '-q', '-b', 'main', str(self.repository))
        if self.kind.name == LFS:
            self.git('lfs', 'install')
            here = f'lfs.{self.url(0)}/info/lfs.locksverify'
            self.git('config', '--global', here, 'false')
            self.git('lfs', 'track', '*.safetensors', cwd=self.repository)
        else:
            self.git('model', 'install')
            self.git('model', 'track', '*.safetensors', cwd=self.repository)
        self.git('remote', 'add', 'origin', self.url(0), cwd=self.repository)

    def point_at(self, number: int) -> None:
        url = self.url(number)
        self.git('config', 'remote.origin.url', url, cwd=self.repository)
        if self.kind.store:
            store = self.kind.store.format(share=self.share(number))
            self.git('config', '--global', 'remote.origin.modelStore', store)

    def push(self) -> tuple[Sample, int]:
        """The cost in the middle, and bytes by which the first other side grew."""
        samples = []
        for number in reversed(range(self.times)):
            self.point_at(number)
            seen = 'refs/remotes/origin/main'
            self.git('update-ref', '-d', seen, cwd=self.repository)
            before = measure.size_of(self.place)
            push = ('git', 'push', '-q', 'origin', 'main')
            samples.append(run(push, self.repository, self.env))
            moved = measure.size_of(self.place) - before
        return _middle(samples), moved

    def told(self) -> Row:
        self.prepare()
        path = self.repository / M
        self.model.write(path)
        samples, moved = [], []
        floor = None
        for step in STEPS[:2]:
            if step != STEPS[0]:
                self.model.train(path, self.model.pick(1), 1)
            self.git('add', '.', cwd=self.repository)
            self.git('commit', '-q', '-m', step, cwd=self.repository)
            sample, grown = self.push()
            samples.append(sample)
            moved.append(grown)
            if (self.kind, step) == (_FLOOR, STEPS[0]):
                floor = self.floor()
        clones = [self.clone(number) for number in range(self.clones)]
        samples.append(_middle(clones))
        shutil.rmtree(self.root)
        return Row(self.kind, samples, moved, floor)

    def clone(self, number: int) -> Sample:
        target = self.root / f'clone{number}'
        command = ('git', 'clone', '-q', self.url(0), str(target))
        sample = run(command, self.root / 'home', self.env)
        here = str(self.repository / M)
        same = subprocess.run(('cmp', here, str(target / M)), check=False)
        if same.returncode:
            raise SystemExit(f'{self.kind.label}: the clone has another model')
        return sample

    def floor(self) -> Sample:
        """Git alone: the packs are there, and sent as they are."""
        bare = self.root / 'floor.git'
        self.git('init', '-q', '--bare', str(bare))
        every = 'refs/models/*:refs/models/*'
        push = ('git', 'push', '-q', '--no-verify', f'file://{bare}', every)
        return run(push, self.far(0), self.env)


def report(rows: list[Row], nbytes: int, times: int) -> list[str]:
    lines = [
        '# Transfers', '',
        f'A bf16 model of {nbytes / 1e6:,.0f} MB, 149 tensors; "5 % changed" is 7 '
        'tensors with 5 % of the bytes. CPU seconds of git and all that it starts on',
        'the user\'s side; over file:// that is the server, too. In brackets the ratio '
        'to git-lfs by the same way. Memory is that of the largest process that',
        'is not git. "Another disk" is another file system, where nothing can be '
        'linked. Written by `benchmarks/transfers.py`, '
        f'costs of pushes that take a moment are medians of {times}'
        f'{", those of clones, too" if nbytes < _SMALL else ""}.', '',
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


def told(
    kind: Kind, root: Path, elsewhere: Path, model: Model, times: int,
) -> Row:
    far = elsewhere / 'far'
    far.mkdir()
    with lfs(far) as server:
        row = Story(kind, root, far, model, server.url, times).told()
    shutil.rmtree(far)
    return row


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
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        other = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=args.other)))
        rows = []
        for kind in chosen(args.only):
            places = (root, other if kind.over == OTHER else root)
            rows.append(told(kind, *places, model, args.times))
            print(kind.label, *(f'{s.cpu:.2f}' for s in rows[-1].samples), flush=True)
    text = '\n'.join([*report(rows, model.nbytes, args.times), ''])
    args.output.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
