"""Running a user's own program: with a time limit, and without anything left behind."""
from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO
from typing import NamedTuple
from typing import NoReturn
from typing import Optional

_MOST_OUT = 64 << 20
_MOST_ERR = 1 << 14
_ENDING = ('SIGINT', 'SIGTERM', 'SIGHUP')
_GROUP = 'group-'


class Ended(NamedTuple):
    """``code`` is None where the time was up; a negative one is a signal's.

    Of long outputs the end is kept: 64 MiB of standard output, 16 KiB of errors.
    """

    code: Optional[int]
    out: bytes
    err: bytes


def run(
    command: Sequence[str], folder: str, environment: Mapping[str, str],
    limit: float | None, given: bytes = b'', notes: str = '',
) -> Ended:
    """Run a program in a folder, for at most ``limit`` seconds.

    It has a process group of its own, all of which is ended with it; the group is
    noted in the folder ``notes`` as long as it lives. Raises OSError where it cannot be
    started.
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
        note = Path(notes, f'{_GROUP}{process.pid}') if notes else None
        code: int | None = None
        try:
            if note:
                note.touch()
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _end(process.pid)
            process.wait()
            if note:
                with suppress(OSError):
                    note.unlink()
        return Ended(code, _end_of(out, _MOST_OUT), _end_of(err, _MOST_ERR))


def _end_of(file: IO[bytes], most: int) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - most))
    return file.read()


def _end(group: int) -> None:
    with suppress(OSError):
        os.killpg(group, signal.SIGKILL)


def end_noted(notes: Path) -> None:
    """End the groups that are noted: those of workers that were killed before."""
    for note in notes.glob(f'{_GROUP}*'):
        _end(int(note.name.removeprefix(_GROUP)))


@contextmanager
def interruptible(mark: Path | None = None) -> Iterator[None]:
    """A signal that ends this process unwinds it first, as Ctrl-C does.

    Python's own way is to be gone at once, without ``finally``. A signal that is
    ignored (nohup) stays so. ``mark`` is a file that is made then, before anything
    is ended: workers who see it begin nothing more.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def unwind(number: int, _: FrameType | None) -> NoReturn:
        if mark:
            with suppress(OSError):
                mark.touch()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    before = {}
    for name in _ENDING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, unwind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
