"""Which git process called us, and what it is doing.

Linux only (/proc); elsewhere the answer is always "unknown", and what depends on
it takes the slow way that is right in every case.
"""
from __future__ import annotations

import os
import re
from collections.abc import Iterator

_EXECUTABLE = re.compile(r'git(-[a-z-]+)?( \(deleted\))?')
# git-blob-XXXXXX/<name> since Git 2.37, XXXXXX_<name> before (diff.c, prep_temp_blob)
_TEXTCONV_FILE = r'.*/(git-blob-[^/]{{6}}/{name}|[^/]{{6}}_{name})( \(deleted\))?'
# git's own options that take the next word: git(1)
_WITH_VALUE = ('-C', '-c', '--git-dir', '--work-tree', '--namespace', '--config-env')
_GENERATIONS = 4        # git -> sh -> (sh) -> us
# These never put a worktree file into the index.
_COMPARING = frozenset({
    'blame', 'checkout', 'cherry-pick', 'describe', 'diff', 'diff-files', 'diff-index',
    'difftool', 'grep', 'log', 'ls-files', 'merge', 'mergetool', 'mv', 'pull',
    'read-tree', 'rebase', 'reset', 'restore', 'revert', 'rm', 'show', 'status',
    'switch',
})


def git_pid() -> int | None:
    """The nearest ancestor that is git, or None."""
    pid = os.getppid()
    for _ in range(_GENERATIONS):
        try:
            executable = os.path.basename(os.readlink(f'/proc/{pid}/exe'))
            if _EXECUTABLE.fullmatch(executable):
                return pid
            with open(f'/proc/{pid}/stat', 'rb') as file:
                pid = int(file.read().rpartition(b')')[2].split()[1])
        except (OSError, ValueError, IndexError):
            return None
    return None


def arguments() -> list[str]:
    """The arguments of the calling git, or none."""
    try:
        with open(f'/proc/{git_pid()}/cmdline', 'rb') as file:
            return os.fsdecode(file.read()).split('\0')
    except OSError:
        return []


def subcommand() -> str | None:
    """The command of the calling git (``add``), None where it cannot be told."""
    words = iter(arguments()[1:])
    for word in words:
        if word in _WITH_VALUE:
            next(words, '')
        elif not word.startswith('-'):
            return word or None
    return None


def adds_to(index: str | os.PathLike[str]) -> bool:
    """Whether git is about to add what it has cleaned, as far as can be told.

    It then holds a lock; but some commands hold one while they compare.
    """
    return subcommand() not in _COMPARING and os.path.exists(f'{os.fspath(index)}.lock')


def wants_textconv(path: str) -> bool:
    """Whether git is about to hand what we smudge to a textconv.

    It opens the temporary file before it asks for the content and holds it open
    meanwhile. An external diff program gets the same kind of file: it is given
    the model.
    """
    pid = git_pid()
    if pid is None or 'GIT_EXTERNAL_DIFF' in os.environ:
        return False
    name = re.escape(os.path.basename(path))
    pattern = re.compile(_TEXTCONV_FILE.format(name=name), re.DOTALL)
    return any(pattern.fullmatch(target) for _, target in _open_files(pid))


def reads_file(stat: os.stat_result) -> bool:
    """Whether git holds this very file open or mapped: it is what we are given."""
    pid = git_pid()
    if pid is None:
        return False
    for fd, _ in _open_files(pid):
        try:
            held = os.stat(f'/proc/{pid}/fd/{fd}')
        except OSError:
            continue
        if (held.st_dev, held.st_ino) == (stat.st_dev, stat.st_ino):
            return True
    return _maps(pid, stat)


def _open_files(pid: int) -> Iterator[tuple[str, str]]:
    folder = f'/proc/{pid}/fd'
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            yield name, os.readlink(f'{folder}/{name}')
        except OSError:
            continue


def _maps(pid: int, stat: os.stat_result) -> bool:
    """Whether the file is mapped: address perms offset dev inode path (proc(5))."""
    device = f'{os.major(stat.st_dev):02x}:{os.minor(stat.st_dev):02x}'
    try:
        with open(f'/proc/{pid}/maps', encoding='utf-8', errors='replace') as file:
            return any(
                line.split()[3:5] == [device, str(stat.st_ino)] for line in file
            )
    except OSError:
        return False
