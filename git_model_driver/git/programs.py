"""Running a user's own program: with a time limit, and without anything left behind."""
from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from typing import IO
from typing import NamedTuple
from typing import Optional

_MOST_OUT = 64 << 20
_MOST_ERR = 1 << 14


class Ended(NamedTuple):
    """``code`` is None where the time was up; a negative one is a signal's.

    Of long outputs the end is kept: 64 MiB of standard output, 16 KiB of errors.
    """

    code: Optional[int]
    out: bytes
    err: bytes


def run(
    command: Sequence[str], folder: str, environment: Mapping[str, str],
    limit: float | None, given: bytes = b'',
) -> Ended:
    """Run a program in a folder, for at most ``limit`` seconds.

    It has a process group of its own, all of which is ended with it. Raises OSError
    where it cannot be started.
    """
    with (
        tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err,
        tempfile.TemporaryFile() as into,
    ):
        into.write(given)
        into.seek(0)
        process = subprocess.Popen(
            command, cwd=folder, stdin=into, stdout=out, stderr=err,
            env={**os.environ, **environment}, start_new_session=True,
        )
        code: int | None = None
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return Ended(code, _end_of(out, _MOST_OUT), _end_of(err, _MOST_ERR))


def _end_of(file: IO[bytes], most: int) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - most))
    return file.read()
