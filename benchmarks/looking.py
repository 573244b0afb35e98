"""What it takes to look at models: python benchmarks/looking.py [--gb N] [<folder>]

Models of 300, 30,000 and 100,000 small tensors, 3 of which change in each of 3
commits, beside a text file of as many lines, 3 of which change; then 10,000 commits
that change 3 of 300 tensors; then two versions of a model of 10 GB, 2 of whose 64
tensors change. Writes benchmarks/looking.md. Takes half an hour, and as much space in
<folder> as --gb says; --gb 0 leaves the large model out.
"""
from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import measure  # noqa: E402
from measure import FILTER  # noqa: E402
from measure import Sample  # noqa: E402

from tests.testing import expected  # noqa: E402
from tests.testing.repository import pinned_environment  # noqa: E402

M, TEXT = 'm.safetensors', 'lines.txt'
COUNTS = (300, 30_000, 100_000)
COMMITS, CHANGED = 3, 3
LONG, TENSORS = 10_000, 300
PARTS, CHANGED_PARTS = 64, (7, 40)
ROUNDS = 2
STATISTICS = '.git/model/statistics.sqlite'
LAST = ('HEAD~1', 'HEAD')


class Row(NamedTuple):
    """``beside`` is what Git itself takes for the like."""

    name: str
    command: tuple[str, ...]
    beside: tuple[str, ...]
    forget: str = ''        # a file that is removed before each round


MANY = (
    Row('git diff, first', ('diff', *LAST, '--', M), ('diff', *LAST, '--', TEXT),
        STATISTICS),
    Row('git diff, again', ('diff', *LAST, '--', M), ('diff', *LAST, '--', TEXT)),
    Row('git model diff', ('model', 'diff', *LAST), ('diff', *LAST, '--', TEXT)),
    Row('git model diff --stat', ('model', 'diff', '--stat', *LAST),
        ('diff', '--stat', *LAST, '--', TEXT)),
    Row('git model show', ('model', 'show', f'HEAD:{M}'), ('show', f'HEAD:{TEXT}')),
    Row('git model log', ('model', 'log'), ('log', '-p', '--', TEXT)),
    Row('git model log, the first', ('model', 'log', '-1'),
        ('log', '-p', '-1', '--', TEXT)),
    Row('git model blame', ('model', 'blame', M, 'HEAD'), ('blame', 'HEAD', TEXT)),
)
HISTORY = (
    Row('git model log', ('model', 'log'), ('log', '--raw', '--', M)),
    Row('git model log --tensor (one)', ('model', 'log', '--tensor=layers.7.w'),
        ('log', '--raw', '--', M)),
    Row('git model blame', ('model', 'blame', M, 'HEAD'),
        ('blame', '--no-textconv', 'HEAD', M)),
    Row('git model blame (one)', ('model', 'blame', M, 'layers.7.w', 'HEAD'),
        ('blame', '--no-textconv', 'HEAD', M)),
)
LARGE = (
    Row('git diff, first', ('diff', *LAST), ('diff', '--no-textconv', *LAST),
        STATISTICS),
    Row('git diff, again', ('diff', *LAST), ('diff', '--no-textconv', *LAST)),
    Row('git model diff', ('model', 'diff', *LAST), ('diff', '--no-textconv', *LAST)),
    Row('git model diff of the worktree', ('model', 'diff', 'HEAD~1'),
        ('diff', '--no-textconv', *LAST)),
    Row('git model show', ('model', 'show', f'HEAD:{M}'), ('show', f'HEAD:{M}')),
    Row('git model show --stats', ('model', 'show', '--stats', f'HEAD:{M}'),
        ('show', f'HEAD:{M}')),
)


class Place:
    """A repository with the driver, and nothing of this machine's settings."""

    def __init__(self, root: Path) -> None:
        self.path = root / 'here'
        (root / 'home').mkdir(parents=True)
        self.path.mkdir()
        self.env = {**os.environ, **pinned_environment(root / 'home')}
        self.git('init', '-q', '-b', 'main')
        self.git('model', 'install', '--local')
        self.git('model', 'track', '*.safetensors')

    def git(self, *args: str) -> None:
        subprocess.run(('git', *args), cwd=self.path, env=self.env, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def commit(self, subject: str) -> None:
        self.git('add', '.')
        self.git('commit', '-q', '-m', subject)

    def measured(self, command: Sequence[str], forget: str, rounds: int) -> Sample:
        """The quickest round; in a process that has no other children."""
        samples = []
        for _ in range(rounds):
            if forget:
                (self.path / forget).unlink(missing_ok=True)
            samples.append(_apart(lambda: measure.run(
                ('git', *command), self.path, self.env,
            )))
        best = min(samples, key=lambda sample: sample.cpu)
        for sample in samples:
            if sample.code:
                said = (self.path.parent / 'stderr.txt').read_text(errors='replace')
                raise SystemExit(f'{" ".join(command)}: {sample.code}\n{said}')
            for kind, peak in sample.peak.items():
                best.peak[kind] = max(peak, best.peak.get(kind, 0))
        return best


def _apart(work: Callable[[], Sample]) -> Sample:
    context = multiprocessing.get_context('fork')
    answers = context.Queue()

    def asked() -> None:
        measure.adopt_orphans()
        answers.put(work())

    process = context.Process(target=asked)
    process.start()
    sample: Sample = answers.get()
    process.join()
    return sample


def many(place: Place, count: int) -> None:
    """Commits of a model of so many tensors, and of as many lines."""
    from safetensors.numpy import save_file

    draw = numpy.random.default_rng(0)
    arrays = {
        f'model.layers.{i // 9}.part_{i % 9}.weight': draw.standard_normal(4, 'f4')
        for i in range(count)
    }
    lines = {name: f'{name} {array}' for name, array in arrays.items()}
    names = list(arrays)
    for commit in range(COMMITS):
        for i in range(CHANGED):
            name = names[(commit * 7919 + i * 104_729) % count]
            arrays[name] = arrays[name] + numpy.float32(1)
            lines[name] += f' {commit}'
        save_file(arrays, place.path / M)
        (place.path / TEXT).write_text('\n'.join([*lines.values(), '']))
        place.commit(f'commit {commit}')


def history(place: Place) -> None:
    """Manifests only, as git fast-import takes them: nothing here reads a tensor."""
    oids = [hashlib.sha256(b'%d' % i).hexdigest() for i in range(TENSORS)]
    command = ('git', 'fast-import', '--quiet', '--force')
    with subprocess.Popen(command, cwd=place.path, env=place.env,
                          stdin=subprocess.PIPE) as process:
        assert process.stdin
        for commit in range(LONG):
            for i in range(CHANGED):
                at = (commit * 7 + i * 101) % (TENSORS - 1) + 1     # the first stays
                oids[at] = hashlib.sha256(b'%d %d' % (commit, i)).hexdigest()
            lines = (f'\ntensor layers.{i}.w F32 1000 sha256:{oid}\n'
                     for i, oid in enumerate(oids))
            text = ''.join((expected.HEAD, *lines)).encode()
            process.stdin.write(
                b'commit refs/heads/main\ncommitter A <a@e> %d +0000\ndata 1\nx\n'
                b'M 100644 inline %s\ndata %d\n%s\n'
                % (1_700_000_000 + commit, M.encode(), len(text), text),
            )
    place.git('update-ref', 'refs/heads/text', 'main')
    place.git('reset', '-q')


def until_first(place: Place, command: Sequence[str]) -> float:
    """Seconds until a command's first byte is there; then it is told to stop."""
    times = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        with subprocess.Popen(('git', *command), cwd=place.path, env=place.env,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as process:
            assert process.stdout
            process.stdout.read(1)
            times.append(time.monotonic() - began)
            process.stdout.close()
            process.terminate()
    return min(times)


def large(place: Place, nbytes: int) -> None:
    """Two versions: each tensor is full of one number, so that it takes no space."""
    import json

    part = nbytes // PARTS // 4096 * 4096
    header = json.dumps({
        f'layers.{i}.weight': {
            'dtype': 'F32', 'shape': [part // 4096, 1024],
            'data_offsets': [i * part, (i + 1) * part],
        } for i in range(PARTS)
    }).encode()
    header += b' ' * (-len(header) % 8)
    with open(place.path / M, 'wb') as file:
        file.write(len(header).to_bytes(8, 'little') + header)
        for i in range(PARTS):
            _fill(file, part, 1 + i)
    place.commit('base')
    with open(place.path / M, 'r+b') as file:
        for i in CHANGED_PARTS:
            file.seek(8 + len(header) + i * part)
            _fill(file, part, -1 - i)
    place.commit('tuned')


def _fill(file: Any, nbytes: int, value: float) -> None:
    piece = numpy.full(1 << 20, value, 'f4').tobytes()
    for start in range(0, nbytes, len(piece)):
        file.write(piece[:nbytes - start])


def table(place: Place, rows: Sequence[Row], rounds: int) -> Iterator[str]:
    yield '| command | CPU, s | wall, s | git itself, CPU s | wall, s | ratio of CPU ' \
          '| peak MB |'
    yield '| --- | ---: | ---: | ---: | ---: | ---: | ---: |'
    known: dict[tuple[str, ...], Sample] = {}
    for row in rows:
        if row.beside not in known:
            known[row.beside] = place.measured(row.beside, '', ROUNDS)
        ours = place.measured(row.command, row.forget, 1 if row.forget else rounds)
        git = known[row.beside]
        ratio = ours.cpu / max(git.cpu, 1e-3)
        yield (
            f'| {row.name} | {ours.cpu:.2f} | {ours.wall:.2f} | {git.cpu:.2f} | '
            f'{git.wall:.2f} | {ratio:.1f} | {ours.peak.get(FILTER, 0) / 1e6:.0f} |'
        )


def report(folder: Path, gb: float) -> Iterator[str]:
    git = subprocess.check_output(('git', '--version'), text=True).strip()
    yield '# Looking\n'
    yield (__doc__ or '').partition('\n\n')[2].replace('\n', ' ').strip() + '\n'
    yield (
        'Beside each command stands what Git itself takes: for the text file, or, of '
        'the large model, for the two manifests. CPU is that of git and all that it '
        'starts, the lesser of two rounds (one, where something is computed for the '
        'first time); memory that of the largest process that is not git.\n'
    )
    yield (f'{os.cpu_count()} cores (load {os.getloadavg()[0]:.0f} before it began) · '
           f'{platform.system()} {platform.release()} · '
           f'Python {platform.python_version()} · {git}\n')
    for count in COUNTS:
        place = Place(folder / str(count))
        many(place, count)
        yield f'## {count:,} tensors\n'
        yield from table(place, MANY, ROUNDS)
        yield ''
        shutil.rmtree(place.path.parent)
    place = Place(folder / 'history')
    history(place)
    yield f'## {LONG:,} commits\n'
    yield from table(place, HISTORY, 1)
    ours = until_first(place, ('model', 'log'))
    git = until_first(place, ('log', '--raw', '--', M))
    yield f'\nThe first lines of `git model log` come after {ours:.2f} s (those of ' \
          f'`git log --raw` after {git:.2f} s).\n'
    shutil.rmtree(place.path.parent)
    if gb:
        place = Place(folder / 'large')
        large(place, int(gb * 1e9))
        yield f'## {gb:g} GB\n'
        yield from table(place, LARGE, ROUNDS)
        shutil.rmtree(place.path.parent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--gb', type=float, default=10, help='of the large model')
    parser.add_argument('folder', nargs='?', help='where there is space')
    args = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        for line in report(Path(scratch), args.gb):
            print(line, flush=True)
            lines.append(line)
    Path(__file__).with_suffix('.md').write_text('\n'.join([*lines, '']))


if __name__ == '__main__':
    main()
