"""What Git's configuration says of colours, and Git's pager."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import IO

from git_model_driver.core.errors import GitError
from git_model_driver.core.errors import UsageError
from git_model_driver.git import run

ALWAYS, NEVER, AUTO = 'always', 'never', 'auto'
_PAGER_DEFAULTS = {'LESS': 'FRX', 'LV': '-c'}       # as in git
_NO_PAGER = ('', 'cat')
_ON = ('', 'true', 'yes', 'on', '1')
_OFF = ('false', 'no', 'off', '0')


def is_terminal() -> bool:
    """Whether a person reads what is printed, perhaps through a pager."""
    return sys.stdout.isatty() or in_pager()


def in_pager() -> bool:
    """Whether standard output is a pager's input (``git -p model ...``)."""
    return os.environ.get('GIT_PAGER_IN_USE', '').lower() in _ON[1:]


def width() -> int | None:
    """Columns of the terminal, None where nobody reads."""
    return shutil.get_terminal_size().columns if is_terminal() else None


def has_colours(command: str, when: str | None = None) -> bool:
    """Whether to colour: ``when`` (--color), color.<command>, color.ui, in this order.

    NO_COLOR (no-color.org; Git itself does not read it) counts where none of them is
    set. Raises UsageError for a ``when`` that is not always, never or auto.
    """
    if when not in (None, ALWAYS, NEVER, AUTO):
        raise UsageError(
            f"'--color' cannot be '{when}'", 'it is always, never or auto',
        )
    if when in (ALWAYS, NEVER):
        return when == ALWAYS
    if when is None and os.environ.get('NO_COLOR') and not _is_set(command):
        return False
    key = 'color.no-such-command' if when == AUTO else f'color.{command}'
    options = ('-c', 'color.ui=auto') if when == AUTO else ()
    tty = 'true' if sys.stdout.isatty() else 'false'
    said = run.output(*options, 'config', '--get-colorbool', key, tty)
    return said.strip() == b'true'


def _is_set(command: str) -> bool:
    keys = rf'^color\.({command}|ui)$'
    return run.attempt('config', '--name-only', '--get-regexp', keys).code == 0


def colour(key: str, default: str) -> str:
    """The escape sequence of a colour such as ``color.diff.old``. Raises GitError."""
    return os.fsdecode(run.output('config', '--get-color', key, default))


def pager_of(command: str) -> str | None:
    """What Git would page this command with, None for no pager.

    ``pager.<command>`` may be a boolean or a program; else it is what ``git var``
    says of GIT_PAGER (which outranks it), core.pager and PAGER.
    """
    if not sys.stdout.isatty() or in_pager():
        return None
    wanted = run.attempt('config', '--get', f'pager.{command}')
    said = os.fsdecode(wanted.out).removesuffix('\n')
    if wanted.code == 0 and said.lower() in _OFF:
        return None
    if wanted.code or said.lower() in _ON or 'GIT_PAGER' in os.environ:
        said = run.text('var', 'GIT_PAGER')
    return None if said in _NO_PAGER else said


class Pager:
    """Standard output goes through Git's pager, if there is one; a context manager.

    That the reader has seen enough (a BrokenPipeError) is no error.
    """

    def __init__(self, command: str) -> None:
        self._program = pager_of(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._stdout = -1
        self._environment: dict[str, str | None] = {}

    def __enter__(self) -> Pager:
        if self._program is not None:
            self._start(self._program)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> bool:
        if self._process is None:
            return False
        self._finish(self._process)
        return kind is BrokenPipeError

    def _start(self, program: str) -> None:
        columns = str(shutil.get_terminal_size().columns)
        self._set(GIT_PAGER_IN_USE='true', COLUMNS=columns)
        try:
            self._process = subprocess.Popen(
                ['sh', '-c', program], stdin=subprocess.PIPE,
                env={**_PAGER_DEFAULTS, **os.environ},
            )
        except OSError as e:
            raise GitError(f"cannot run the pager '{program}': {e.strerror}") from None
        assert self._process.stdin
        sys.stdout.flush()
        self._stdout = os.dup(1)
        _become_stdout(self._process.stdin)

    def _set(self, **values: str) -> None:
        for name, value in values.items():
            self._environment[name] = os.environ.get(name)
            os.environ[name] = value

    def _finish(self, process: subprocess.Popen[bytes]) -> None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _discard()
        os.dup2(self._stdout, 1)        # and so the pager's input ends
        os.close(self._stdout)
        for name, old in self._environment.items():
            if old is None:
                del os.environ[name]
            else:
                os.environ[name] = old
        _wait(process)


def _become_stdout(pipe: IO[bytes]) -> None:
    os.dup2(pipe.fileno(), 1)
    pipe.close()


def _discard() -> None:
    """Give what is left in the buffer of standard output somewhere to go."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    sys.stdout.flush()


def _wait(process: subprocess.Popen[bytes]) -> None:
    while True:
        try:
            process.wait()
            return
        except KeyboardInterrupt:
            continue        # less does not end at ^C, and we must not before it
