"""Faults at random places of many stories: python benchmarks/faults.py [<seed>]

Writes benchmarks/faults.md. What is told, and what must hold after each fault, is
in tests/testing/faults.py; "./tests/run --slow -k killed" runs as many.
"""
from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.flows.killed_test import MANY  # noqa: E402
from tests.testing.faults import STORIES  # noqa: E402
from tests.testing.faults import Fault  # noqa: E402
from tests.testing.faults import told  # noqa: E402
from tests.testing.repository import pinned_environment  # noqa: E402

SEED = 20261126
KINDS = {
    'kill': 'process killed', 'killall': 'Git and all killed',
    'full': 'disk full from then on', 'once': 'disk full once',
}


def one(number: int, seed: int) -> tuple[Counter[Fault], list[str]]:
    """A story in a process of its own: it changes directories."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / 'home'
        home.mkdir()
        for name in list(os.environ):
            if name.startswith(('GIT_', 'XDG_')):
                del os.environ[name]
        os.environ.update(pinned_environment(home))
        return told(STORIES[number], Path(folder) / 'told', seed, MANY)


def report(results: list[tuple[Counter[Fault], list[str]]], seed: int) -> list[str]:
    total: Counter[Fault] = sum((tally for tally, _ in results), Counter())
    failures = [failure for _, some in results for failure in some]
    sums = {kind: sum(n for (k, _), n in total.items() if k == kind) for kind in KINDS}
    lines = [
        '# Faults', '',
        'Every story below was told again and again, each time with one fault at a '
        'call drawn at random from all that the', 'processes of git-model make to '
        'change a file (or to answer Git: "pipe"). After each: `git model fsck` finds '
        'nothing', 'missing, damaged or half; every committed version comes back with '
        'its SHA-256; the same command succeeds and leaves the', 'same index, HEAD, '
        'file and versions as without the fault; what is left over is only in `tmp/`, '
        'and goes a day later.', '',
        f'Seed {seed}, {time.strftime("%Y-%m-%d")}, Python {platform.python_version()}'
        f', {platform.system()}. Again: `python benchmarks/faults.py {seed}`.', '',
        f'**{sums["kill"] + sums["killall"]} kills, {sums["full"] + sums["once"]} '
        f'full disks: {len(failures)} failures.**', '',
        '| story | ' + ' | '.join(KINDS.values()) + ' |',
        '|---' * (len(KINDS) + 1) + '|',
    ]
    for story, (tally, _) in zip(STORIES, results):
        counts = [
            str(sum(n for (k, _), n in tally.items() if k == kind)) for kind in KINDS
        ]
        lines.append(f'| {story.name} | ' + ' | '.join(counts) + ' |')
    names = sorted({name for _, name in total})
    lines += ['', '| at | ' + ' | '.join(KINDS.values()) + ' |',
              '|---' * (len(KINDS) + 1) + '|']
    for name in names:
        counts = [str(total[kind, name]) for kind in KINDS]
        lines.append(f'| {name} | ' + ' | '.join(counts) + ' |')
    return [*lines, '', *(f'- {failure}' for failure in failures)]


def main() -> int:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else SEED
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(one, range(len(STORIES)), [seed] * len(STORIES)))
    text = '\n'.join(report(results, seed)).rstrip('\n') + '\n'
    (ROOT / 'benchmarks/faults.md').write_text(text)
    print(text)
    return 'failures' in text and ' 0 failures' not in text


if __name__ == '__main__':
    sys.exit(main())
