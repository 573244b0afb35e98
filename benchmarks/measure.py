"""What a command costs: CPU seconds, wall time, peak memory. Linux only.

CPU is that of the command and of all it starts: what it waits for comes with its
own resource usage, what it leaves behind becomes our child and is waited for.
Memory is the kernel's own high-water mark (VmHWM) of each process, looked up
every 10 ms: it only grows, so that little can be missed.
"""
from __future__ import annotations

import ctypes
import os
import select
import subprocess
import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import IO

INTERVAL = 10       # milliseconds
_PR_SET_CHILD_SUBREAPER = 36
GIT, FILTER = 'git', 'filter'


@dataclass
class Sample:
    """``peak`` is in bytes: of git, and of the largest other program."""

    code: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    peak: dict[str, int] = field(default_factory=dict)


def adopt_orphans() -> None:
    """Make this process the parent of whatever its descendants leave behind."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), 'PR_SET_CHILD_SUBREAPER')


def run(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    out: int | IO[bytes] = subprocess.DEVNULL,
) -> Sample:
    """Run a command to its end. Its messages go to ``stderr.txt`` beside cwd."""
    sample = Sample()
    with open(cwd.parent / 'stderr.txt', 'wb') as err:
        start = time.monotonic()
        child = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
        )
        _watch(child.pid, sample)
        sample.wall = time.monotonic() - start
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = sample.code = os.waitstatus_to_exitcode(status)
        sample.cpu = usage.ru_utime + usage.ru_stime + _reap()
    return sample


def _watch(pid: int, sample: Sample) -> None:
    ended = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        wait = 1        # a short command is looked at, too
        while not poll.poll(wait):
            wait = min(2 * wait, INTERVAL)
            for name, peak in _peaks(pid):
                kind = GIT if name == 'git' else FILTER
                sample.peak[kind] = max(sample.peak.get(kind, 0), peak)
    finally:
        os.close(ended)


def _reap() -> float:
    """Wait for every process that was left behind; their CPU seconds."""
    cpu = 0.0
    while True:
        try:
            _, _, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return cpu
        cpu += usage.ru_utime + usage.ru_stime


def _peaks(pid: int) -> Iterator[tuple[str, int]]:
    """(program, peak bytes) of a process and its descendants."""
    try:
        text = Path(f'/proc/{pid}/status').read_text()
        tasks = os.listdir(f'/proc/{pid}/task')
        lists = [Path(f'/proc/{pid}/task/{t}/children').read_text() for t in tasks]
    except OSError:
        return      # it has just ended
    fields = dict(line.split(':\t', 1) for line in text.splitlines() if ':\t' in line)
    if 'VmHWM' in fields:
        yield fields['Name'].strip(), int(fields['VmHWM'].split()[0]) << 10
    for child in ' '.join(lists).split():
        yield from _peaks(int(child))


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(
        entry.stat(follow_symlinks=False).st_size
        for root, _, _ in os.walk(folder)
        for entry in os.scandir(root)
        if entry.is_file(follow_symlinks=False)
    )
