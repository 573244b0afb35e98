"""Running git, and nothing else.

Inside a filter, driver or hook the environment git gave us is passed on as it
is: GIT_DIR, GIT_INDEX_FILE and GIT_CONFIG_PARAMETERS are part of the question. Only
GIT_LITERAL_PATHSPECS and its like are not: we use magic in ours.
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Mapping
from typing import NamedTuple
from typing import NoReturn
from typing import Union

from git_model_driver.core.errors import GitError

PathLike = Union[os.PathLike[str], str, None]
_MOST_SAID = 1 << 16
_MOST_LINES = 8
_PROGRESS = rb'(remote: )?[A-Z][a-z ]+: +[0-9]+'
_WRONG = 'fatal: ', 'error: '
_NO_MORE: Mapping[str, str] = {}


class Result(NamedTuple):
    code: int
    out: bytes
    err: bytes


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.endswith('_PATHSPECS')}
    return {**kept, **more}


def attempt(
    *args: str, input: bytes | None = None, cwd: PathLike = None,
    env: Mapping[str, str] = _NO_MORE,
) -> Result:
    """Run git and return what it did; a missing git is a GitError."""
    try:
        done = subprocess.run(
            ('git', *args), input=input, cwd=cwd, capture_output=True, check=False,
            stdin=subprocess.DEVNULL if input is None else None, env=_environment(env),
        )
    except FileNotFoundError:
        raise GitError("'git' is not on PATH", 'install Git, then try again') from None
    return Result(done.returncode, done.stdout, done.stderr)


def watched(
    *args: str, told: Callable[[bytes], None], env: Mapping[str, str] = _NO_MORE,
) -> Result:
    """Run git; ``told`` gets each line of progress as soon as it is there."""
    is_progress = re.compile(_PROGRESS).match
    process = subprocess.Popen(
        ('git', *args), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env=_environment(env),
    )
    assert process.stderr
    said, line = b'', b''
    with process.stderr:
        while piece := os.read(process.stderr.fileno(), 1 << 12):
            *lines, line = re.split(b'[\r\n]', line + piece)
            for whole in filter(is_progress, lines):
                told(whole)
            rest = (whole for whole in lines if not is_progress(whole))
            said = b'\n'.join([said, *rest])[-_MOST_SAID:]
    return Result(process.wait(), b'', said + b'\n' + line)


def become(*args: str) -> NoReturn:
    """Go on as git: its output and exit code are ours."""
    sys.stdout.flush()
    os.execvp('git', ['git', *args])


def output(
    *args: str, input: bytes | None = None, cwd: PathLike = None,
    env: Mapping[str, str] = _NO_MORE,
) -> bytes:
    """What git prints. Raises GitError with git's own words."""
    return check(attempt(*args, input=input, cwd=cwd, env=env), args[0])


def check(result: Result, command: str) -> bytes:
    """What git printed. Raises GitError with git's own words."""
    if result.code:
        said = _said(result.err)
        raise GitError(*said or [f"'git {command}' failed with code {result.code}"])
    return result.out


def _said(err: bytes) -> list[str]:
    """The lines, what went wrong first."""
    lines = [line.strip() for line in err.decode(errors='replace').splitlines()]
    lines.sort(key=lambda line: not line.startswith(_WRONG))
    return [_prefixless(line) for line in lines if line][:_MOST_LINES]


def failures_in(err: bytes) -> list[str]:
    """What it says to have gone wrong: other programs write there, too."""
    lines = err.decode(errors='replace').splitlines()
    return [_prefixless(line).strip() for line in lines if line.startswith(_WRONG)]


def _prefixless(line: str) -> str:
    for prefix in ('fatal: ', 'error: ', 'hint: '):
        line = line.removeprefix(prefix)
    return line


def into(
    fd: int, *args: str, input: bytes = b'', env: Mapping[str, str] = _NO_MORE,
) -> None:
    """Have git write to an open file. Raises GitError."""
    done = subprocess.run(
        ('git', *args), stdout=fd, stderr=subprocess.DEVNULL, check=False, input=input,
        env=_environment(env),
    )
    if done.returncode:
        raise GitError(f"'git {args[0]}' failed with code {done.returncode}")


def text(*args: str, cwd: PathLike = None) -> str:
    """What git prints, without the last newline."""
    return os.fsdecode(output(*args, cwd=cwd)).removesuffix('\n')


def zsplit(*args: str, input: bytes | None = None, cwd: PathLike = None) -> list[bytes]:
    """The NUL-terminated records that git prints."""
    return output(*args, input=input, cwd=cwd).split(b'\0')[:-1]
