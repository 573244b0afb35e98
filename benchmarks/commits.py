"""A history in one tool's repository: what it takes, and whether it comes back."""
from __future__ import annotations

import shutil
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure
import peers
from measure import Sample
from measure import size_of
from model import sha256
from tools import OURS
from tools import PLAIN
from tools import THETA
from tools import Repository

AGGRESSIVE = ('gc', '-q', '--aggressive', '--prune=now')
OUR_GC = ('model', 'gc')
Record = dict[str, Any]
Same = Callable[[Path, Path], bool]


def same_bytes(one: Path, other: Path) -> bool:
    return sha256(one) == sha256(other)


@contextmanager
def repository(tool: str, scratch: Path | None) -> Iterator[Repository]:
    with TemporaryDirectory(dir=scratch, prefix=f'{tool}-') as folder:
        yield Repository(tool, Path(folder))


def commit_all(repo: Repository, versions: list[Path]) -> Record:
    """Commit each version; bytes in .git after each, and CPU seconds of all adds."""
    start = size_of(repo.git_dir)
    sizes, adds, peak = [], [], 0
    for version in versions:
        shutil.copyfile(version, repo.file)
        repo.aged()
        added = run(repo, 'add', repo.file.name)
        repo.git('commit', '-q', '-m', version.stem)
        sizes.append(size_of(repo.git_dir) - start)
        adds.append(added.cpu)
        peak = max(peak, added.peak.get(measure.FILTER, 0))
    return {'start': start, 'sizes': sizes, 'add cpu': sum(adds), 'add peak': peak}


def run(repo: Repository, *command: str) -> Sample:
    with open(repo.top.parent / 'out.txt', 'wb') as out:
        sample = repo.measure(command, out)
    if sample.code:
        said = (repo.top.parent / 'stderr.txt').read_text(errors='replace')
        raise RuntimeError(f'{repo.tool}: git {" ".join(command)}: {said}')
    return sample


def collect(repo: Repository, start: int) -> Record:
    """The tool's own garbage collection, if it has one."""
    command = {OURS: OUR_GC, PLAIN: AGGRESSIVE}.get(repo.tool)
    if command is None or (repo.tool == OURS and not has_gc(repo)):
        return {}
    sample = run(repo, *command)
    return {
        'gc size': size_of(repo.git_dir) - start, 'gc cpu': sample.cpu,
        'gc wall': sample.wall, 'gc peak': max(sample.peak.values(), default=0),
    }


def has_gc(repo: Repository) -> bool:
    try:
        repo.git('model', 'gc', '-h')
    except RuntimeError:
        return False
    return True


def wrong(repo: Repository, versions: list[Path], same: Same = same_bytes) -> list[str]:
    """Which of the oldest versions do not come back."""
    last = int(repo.git('rev-list', '--count', 'main')) - 2
    found = []
    for number, version in enumerate(versions):
        repo.git('checkout', '-q', f'main~{last - number}')
        if not same(repo.file, version):
            found.append(version.stem)
    repo.git('checkout', '-q', 'main')
    return found


def history(tool: str, versions: list[Path], scratch: Path | None) -> Record:
    with repository(tool, scratch) as repo:
        record = commit_all(repo, versions)
        if tool == THETA:   # a checkout costs it as much as ten adds cost others
            record['wrong'] = wrong(repo, versions[:1])
            record['values'] = not wrong(repo, versions[:1], peers.same_torch)
            return record
        record['wrong'] = wrong(repo, versions)
        record |= collect(repo, record['start'])
        if 'gc size' in record:
            record['wrong'] += wrong(repo, versions)
        if tool == OURS:
            repo.git('model', 'fsck')       # fails if anything is amiss
        return record
