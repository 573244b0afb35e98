"""A terminal of a given width, and what a program shows on it."""
from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_NO_ENVIRONMENT: Mapping[str, str] = {}


class Shown(NamedTuple):
    code: int
    text: str


def show(
    path: Path, *command: str, columns: int = 80, typed: bytes = b'',
    env: Mapping[str, str] = _NO_ENVIRONMENT,
) -> Shown:
    """Run in ``path``; both its output and its errors are the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    settings = {k: v for k, v in os.environ.items() if k not in ('COLUMNS', 'LINES')}
    process = subprocess.Popen(
        command, cwd=path, stdin=theirs, stdout=theirs, stderr=theirs,
        env={**settings, 'TERM': 'xterm', **env}, start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, typed)
    text = b''
    while piece := _read(ours):
        text += piece
    os.close(ours)
    return Shown(process.wait(timeout=60), os.fsdecode(text).replace('\r\n', '\n'))


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except OSError:         # Linux: the last to have it open has closed it
        return b''
