"""What git and a filter say to one another, from git's own trace."""
from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from tools import Repository


class Smudges(NamedTuple):
    """How often git asked for a smudge, and how many bytes it was given in all."""

    requests: int
    nbytes: int


def smudges(repo: Repository, command: Sequence[str]) -> Smudges:
    """Run git with GIT_TRACE_PACKET and count.

    The trace writes what is no printable text as three octal digits, so that the
    bytes are at most those of the trace: an upper bound.
    """
    child = subprocess.Popen(
        ['git', *command], cwd=repo.top, env={**repo.env, 'GIT_TRACE_PACKET': '1'},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )
    assert child.stderr is not None
    requests = nbytes = 0
    for line in child.stderr:
        _, _, said = line.partition(b'packet:')
        _, direction, text = said.partition(b'git< ')
        if b'git> command=smudge' in said:
            requests += 1
        elif direction:
            nbytes += len(text)
    if child.wait():
        raise RuntimeError(f'git {" ".join(command)} failed')
    return Smudges(requests, nbytes)
