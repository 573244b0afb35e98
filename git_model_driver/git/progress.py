"""How far a command is, on stderr, as git says it: to a terminal, and not at once."""
from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

_EVERY = 0.2        # seconds
_DELAY = 1.0        # that of git since 2.48 (2 before)
_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30


class Meter:
    """``Blaming tensors:  45% (135/300)``; ``Looking at commits: 12`` without a total.

    ``add`` may be called from several threads. As a context manager it ends its line;
    so does ``show`` when all is done, and ``stop``, after which no more is said.
    """

    def __init__(
        self, title: str, total: int | None = None, quiet: bool = False,
    ) -> None:
        self._title = title
        self._total = total
        self._done = 0
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._next = self._began + _delay()
        self._is_seen = False
        self._is_wanted = not quiet and _is_looked_at()

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self._finish('\n' if kind else ', done.\n')

    def add(self, n: int = 1) -> None:
        """So much more is done; 0 is a sign of life."""
        with self._lock:
            self._done += n
            now = time.monotonic()
            if self._is_wanted and now >= self._next:
                self._next = now + _EVERY
                self._say(now, '\r')

    def expect(self, n: int) -> None:
        """More is to come than was said at first."""
        with self._lock:
            self._total = (self._total or 0) + n

    def pulse(self) -> Meter:
        """For those who count something else: what they do is a sign of life."""
        return _Pulse(self)

    def show(self, done: int, total: int) -> None:
        """For those who count themselves."""
        self._total = total
        self.add(done - self._done)
        if done == total:
            self._finish(', done.\n')

    def stop(self) -> None:
        """An answer comes, on what may be the same terminal."""
        with self._lock:
            self._finish(', done.\n')
            self._is_wanted = False

    def _finish(self, end: str) -> None:
        if self._is_seen:
            self._is_seen = False
            self._say(time.monotonic(), end)

    def _say(self, now: float, end: str) -> None:
        self._is_seen = end == '\r'
        said = self._counted(self._total, max(now - self._began, 1e-3))
        sys.stderr.write(f'{self._title}: {said}{end}')
        sys.stderr.flush()

    def _counted(self, total: int | None, seconds: float) -> str:
        if total is None:
            return str(self._done)
        return f'{self._percent(total)}% ({self._done}/{total})'

    def _percent(self, total: int) -> str:
        return f'{100 * self._done // total if total else 100:3}'


class _Pulse(Meter):
    def __init__(self, of: Meter) -> None:
        super().__init__('', quiet=True)
        self._of = of

    def add(self, n: int = 1) -> None:
        self._of.add(0)


class Progress(Meter):
    """Of bytes: ``Sending tensors:  45% (120.00 of 266.67 MiB), 31.20 MiB/s``."""

    def __enter__(self) -> Progress:
        return self

    def _counted(self, total: int | None, seconds: float) -> str:
        rate = amount(int(self._done / seconds))
        if total is None:
            return f'{amount(self._done)}, {rate}/s'
        return (
            f'{self._percent(total)}% ({amount(self._done)} of {amount(total)}), '
            f'{rate}/s'
        )


def stages() -> Callable[[str, int, int], None]:
    """What shows one piece of work after another: its title, what is done of all."""
    meters: dict[str, Meter] = {}

    def show(title: str, done: int, total: int) -> None:
        if title not in meters:
            meters[title] = Meter(title)
        meters[title].show(done, total)

    return show


def relayed(title: str) -> Callable[[bytes], None] | None:
    """What shows git's own lines for a push under another title; None if nobody looks.
    """
    if not _is_looked_at():
        return None

    def told(line: bytes) -> None:
        what, _, rest = line.decode(errors='replace').partition(':')
        if what == 'Writing objects':
            end = '\n' if rest.endswith('done.') else '\r'
            sys.stderr.write(f'{title}:{rest}{end}')
            sys.stderr.flush()

    return told


def _is_looked_at() -> bool:
    """On a terminal, and in the foreground, as git asks."""
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except OSError:         # it is not our session's terminal
        return True


def amount(nbytes: int) -> str:
    """As git prints it: ``12.34 MiB``."""
    for unit, name in ((_GIB, 'GiB'), (_MIB, 'MiB'), (_KIB, 'KiB')):
        if nbytes >= unit:
            return f'{nbytes / unit:.2f} {name}'
    return f'{nbytes} bytes'


def _delay() -> float:
    try:
        return float(os.environ.get('GIT_PROGRESS_DELAY', _DELAY))
    except ValueError:
        return _DELAY


NOBODY = Meter('', quiet=True)
