"""Histories of real models: what every tool stores, and what that costs.

Parts: sequences of ten commits; fine-tunes, each against its base; throughput and
memory with large models. What is measured is kept in histories.json, and written as
histories.md and histories.svg: a part, or a tool, can be measured again alone.
"""
from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bench
import chart
import commits
import finetunes
import measure
import peers
import sequences
import summary
import throughput
import weights as weights_
from tools import LFS
from tools import OURS
from tools import PLAIN
from tools import THETA
from weights import FP32

HERE = Path(__file__).parent
PARTS = ('sequences', 'finetunes', 'throughput', 'memory')
OURS_ONLY, OTHERS_ONLY = 'ours', 'others'
Record = dict[str, Any]


class Run:
    """One run: what it is to measure, and what is known so far."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.quick, self.scratch = args.quick, args.scratch
        self.ours, self.others = (args.only != o for o in (OTHERS_ONLY, OURS_ONLY))
        self.theta = self.others and not (args.no_theta or args.quick)
        self.folder = None if args.quick else args.output
        self.known: Record = {}
        if self.folder and (self.folder / 'histories.json').exists():
            self.known = json.loads((self.folder / 'histories.json').read_text())
        self.base = weights_.small() if args.quick else weights_.minilm()

    def note(self, record: Record, *path: str) -> None:
        """Keep it under these names, at once."""
        place = self.known
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = record
        print(' · '.join(path), json.dumps(record), file=sys.stderr)
        self.save()

    def save(self) -> None:
        if self.folder:
            text = json.dumps(self.known, indent=1) + '\n'
            (self.folder / 'histories.json').write_text(text)

    def write(self) -> None:
        text = summary.document(self.known)
        print(text)
        if self.folder:
            (self.folder / 'histories.md').write_text(text, encoding='utf-8')
            if 'sequences' in self.known:
                drawn = chart.svg(self.known['sequences'])
                (self.folder / 'histories.svg').write_text(drawn, encoding='utf-8')


def main() -> int:
    args = _arguments()
    measure.adopt_orphans()
    run = Run(args)
    run.note({'machine': ' · '.join(bench.machine()), 'quick': run.quick}, 'about')
    for part in args.parts or PARTS:
        _MEASURE[part](run)
    run.write()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='histories', description=__doc__)
    parser.add_argument('parts', nargs='*', metavar='PART',
                        help=f'{", ".join(PARTS)} (default: all)')
    parser.add_argument('--only', choices=(OURS_ONLY, OTHERS_ONLY), help='measure no '
                        'others in the sequences, and leave what is known of them')
    parser.add_argument('--no-theta', action='store_true', help='leave git-theta out')
    parser.add_argument('--quick', action='store_true', help='small models, no '
                        'training, nothing written: under two minutes')
    parser.add_argument('--scratch', type=Path, help='where to work (default: a '
                        'temporary folder); it takes up to 30 GB')
    parser.add_argument('--output', type=Path, metavar='FOLDER', default=HERE)
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f'no such part: {", ".join(sorted(unknown))}')
    return args


def _sequences(run: Run) -> None:
    theta = run.theta and peers.make_theta()
    for dtype in (FP32,) if run.quick else weights_.DTYPES:
        for name in sequences.SEQUENCES:
            tools = _tools(run, theta and dtype == FP32)
            _sequence(run, dtype, name, sequences.PREVIOUS, tools)
    for name in sequences.SEQUENCES if run.ours and not run.quick else ():
        _sequence(run, FP32, name, sequences.BASE, [OURS])


def _tools(run: Run, theta: bool) -> list[str]:
    ours = [OURS] if run.ours else []
    if not run.others:
        return ours
    lfs = [LFS] if shutil.which('git-lfs') else []
    return [*ours, *lfs, PLAIN, *([THETA] if theta else []), peers.ZIPNN]


def _sequence(
    run: Run, dtype: str, name: str, origin: str, tools: list[str],
) -> None:
    path = ('sequences' if origin == sequences.PREVIOUS else 'from base', dtype, name)
    with TemporaryDirectory(dir=run.scratch, prefix='versions-') as folder:
        files = []
        for number, weights in enumerate(
            sequences.versions(run.base, name, dtype, origin),
        ):
            files.append(Path(folder) / f'v{number}.safetensors')
            weights_.write(weights, files[-1])
        run.note({'bytes': files[0].stat().st_size}, *path, 'model')
        for tool in tools:
            record = _history(tool, files, dtype, run.scratch)
            if record:
                run.note(record, *path, tool)


def _history(
    tool: str, files: list[Path], dtype: str, scratch: Path | None,
) -> Record | None:
    if tool == peers.ZIPNN:
        return _zipnn(files, dtype)
    if tool == THETA:
        files = list(_as_torch(files))
    return commits.history(tool, files, scratch)


def _zipnn(files: list[Path], dtype: str) -> Record | None:
    from safetensors.numpy import load_file

    sizes, total = [], 0
    for file in files:
        size = peers.zipnn_size(load_file(file), dtype)
        if size is None:
            return None
        total += size
        sizes.append(total)
    return {'sizes': sizes}


def _as_torch(files: list[Path]) -> Iterator[Path]:
    from safetensors.numpy import load_file

    for file in files:
        path = file.with_suffix('.pt')
        peers.write_torch(load_file(file), path)
        yield path


def _finetunes(run: Run) -> None:
    for dtype in weights_.DTYPES:
        for name, pair in finetunes.pairs(run.base, dtype, trained=not run.quick):
            for part in (finetunes.WHOLE, finetunes.ENCODER):
                known = run.known.get('finetunes', {}).get(dtype, {}).get(name, {})
                record = finetunes.measured(
                    pair.part(part), dtype, run.others, run.scratch)
                kept = {k: v for k, v in known.get(part, {}).items()
                        if k in ('zipnn', 'bitx')}
                run.note(kept | record, 'finetunes', dtype, name, part)


def _throughput(run: Run) -> None:
    size, rounds = (30_000_000, 1) if run.quick else (throughput.GB, throughput.ROUNDS)
    run.note(throughput.beside_lfs(size, rounds, run.scratch), 'throughput')


def _memory(run: Run) -> None:
    for name, model in throughput.models(20_000_000 if run.quick else throughput.GB):
        run.note(throughput.memory(model, run.scratch), 'memory', name)


_MEASURE: dict[str, Callable[[Run], None]] = {
    'sequences': _sequences, 'finetunes': _finetunes,
    'throughput': _throughput, 'memory': _memory,
}


if __name__ == '__main__':
    sys.exit(main())
