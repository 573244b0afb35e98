"""How far a transfer is, on stderr, as git says it: to a terminal, and not at once."""
from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

_EVERY = 0.2        # seconds
_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30


class Progress:
    """``Sending tensors:  45% (120.00 of 266.67 MiB), 31.20 MiB/s``.

    ``add`` may be called from several threads. Use it as a context manager.
    """

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._done = 0
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._next = self._began + _delay()
        self._is_seen = False
        self._is_wanted = _is_terminal()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        if self._is_seen:
            self._say(time.monotonic(), '\n' if kind else ', done.\n')

    def add(self, nbytes: int) -> None:
        with self._lock:
            self._done += nbytes
            now = time.monotonic()
            if self._is_wanted and now >= self._next:
                self._next = now + _EVERY
                self._say(now, '\r')

    def expect(self, nbytes: int) -> None:
        """More is to come than was said at first."""
        with self._lock:
            self._total += nbytes

    def _say(self, now: float, end: str) -> None:
        self._is_seen = True
        percent = 100 * self._done // self._total if self._total else 100
        rate = amount(int(self._done / max(now - self._began, 1e-3)))
        sys.stderr.write(
            f'{self._title}: {percent:3}% ({amount(self._done)} of '
            f'{amount(self._total)}), {rate}/s{end}',
        )
        sys.stderr.flush()


def relayed(title: str) -> Callable[[bytes], None] | None:
    """What shows git's own lines for a push under another title; None if nobody looks.
    """
    if not _is_terminal():
        return None

    def told(line: bytes) -> None:
        what, _, rest = line.decode(errors='replace').partition(':')
        if what == 'Writing objects':
            end = '\n' if rest.endswith('done.') else '\r'
            sys.stderr.write(f'{title}:{rest}{end}')
            sys.stderr.flush()

    return told


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def amount(nbytes: int) -> str:
    """As git prints it: ``12.34 MiB``."""
    for unit, name in ((_GIB, 'GiB'), (_MIB, 'MiB'), (_KIB, 'KiB')):
        if nbytes >= unit:
            return f'{nbytes / unit:.2f} {name}'
    return f'{nbytes} bytes'


def _delay() -> float:
    try:
        return float(os.environ.get('GIT_PROGRESS_DELAY', '2'))
    except ValueError:
        return 2.0
