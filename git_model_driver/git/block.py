"""The marked block in a hook that may be somebody else's: put in, taken out.

What is around it stays byte for byte. It goes below "#!", because a hook may end
anywhere, and hands on the input that it has read.
"""
from __future__ import annotations

import re
import shlex
from pathlib import Path

from git_model_driver.core.errors import HookExists
from git_model_driver.git import run

BEGIN = b'# >>> git-model >>>\n'
END = b'# <<< git-model <<<\n'
_BLOCK = re.compile(b'^' + BEGIN + b'.*?^' + END, re.DOTALL | re.MULTILINE)
_SHELL = re.compile(
    rb'#! *(/[^ \r\n]*/)?(env( -S)? +)?(busybox +)?(ba|da|a|k)?sh( [^\r\n]*)?\n',
)


def of(data: bytes) -> bytes | None:
    """The block in a hook, or None."""
    found = _BLOCK.search(data)
    return found[0] if found else None


def put(data: bytes, block: bytes) -> bytes:
    """The hook with the block in it: in the place of an older one, or at the top."""
    if of(data) is not None:
        return _BLOCK.sub(lambda _: block, data, count=1)
    first, end, rest = data.partition(b'\n')
    return first + end + block + rest


def without(data: bytes) -> bytes:
    return _BLOCK.sub(b'', data, count=1)


def check(name: str, file: Path, inside: bool, tracked_too: bool) -> None:
    """Whether a block may be put into the hook. Raises HookExists, with no hint."""
    if not inside:
        raise HookExists(f"'{file}' is a link to a file outside this repository")
    if not _SHELL.match(file.read_bytes()):
        raise HookExists(f"the {name} hook '{file}' is no script of sh or bash")
    if not file.stat().st_mode & 0o100:
        raise HookExists(
            f"git skips the {name} hook '{file}': it is not executable",
            f"if it is meant to run: chmod +x {shlex.quote(str(file))}",
        )
    if not tracked_too and _is_tracked(file):
        raise HookExists(
            f"the {name} hook '{file}' is tracked, so that others get the block too",
            'if they are to have it: git model install --append-hooks=tracked',
        )


def _is_tracked(file: Path) -> bool:
    found = run.attempt(
        'ls-files', '--error-unmatch', '--', f':(literal){file.name}', cwd=file.parent,
    )
    return found.code == 0


def is_committed(file: Path) -> bool:
    """Whether the last commit has the hook with a block in it."""
    found = run.attempt('show', f'HEAD:./{file.name}', cwd=file.parent)
    return found.code == 0 and of(found.out) is not None


def take_out(file: Path) -> str:
    """The command that does so."""
    begin, end = (mark.decode().strip() for mark in (BEGIN, END))
    return f"sed -i '/^{begin}$/,/^{end}$/d' {shlex.quote(str(file))}"
