"""Settings taken out of a file of Git's so that it is what it was, byte for byte.

``git config --unset`` takes the blank lines above a section along, and leaves its
header where a comment is above it. So lines are taken out here, in the form in which
``git config`` writes them, and Git is asked whether the rest says the same without
them; where it does not, ``git config`` does it after all.

It also leaves an empty file where there was none, and ends a last line that had no
end. That is noted in the file, by a line that is one space.
"""
from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from git_model_driver.core.errors import GitError
from git_model_driver.git import run

_NOTE = b' \n'


def prepare(scope: Sequence[str]) -> None:
    """Before settings are written: note what ``unset`` has to put back."""
    file = _file(scope)
    try:
        if file is None or (file.exists() and _ends_well(file)):
            return
        made = not file.exists()
        with open(file, 'ab') as config:
            config.write(_NOTE if made else b'\n' + _NOTE)
    except OSError:
        return      # git says what is wrong


def _ends_well(file: Path) -> bool:
    data = file.read_bytes()
    return not data or data.endswith(b'\n')


def unset(scope: Sequence[str], keys: Sequence[str]) -> None:
    """Take out settings, the last first. Raises GitError."""
    file = _file(scope)
    if file is None or not _take_out(file, keys):
        for key in reversed(keys):
            run.output('config', *scope, '--unset-all', key)
    if file is not None:
        _put_back(file)


def _take_out(file: Path, keys: Sequence[str]) -> bool:
    try:
        before = rest = file.read_bytes()
        for key in keys:
            rest = _without(rest, key)
        gone = {key.lower() for key in keys}
        kept = Counter({k: n for k, n in _listed(before).items() if k[0] not in gone})
        return _listed(rest) == kept and _replace(file, rest)
    except (OSError, GitError):
        return False


def _without(data: bytes, key: str) -> bytes:
    """Without its line, and without the header of the section if that is all."""
    section, _, rest = key.partition('.')
    subsection, _, name = rest.rpartition('.')
    title = f'[{section} "{subsection}"]' if subsection else f'[{section}]'
    head, line = re.escape(title.encode()), b'\t' + name.encode() + rb' = [^\n]*\n'
    start = rb'(?m)^(' + head + rb'\n(?:\t[^\n]*\n)*?)'
    data = re.sub(start + line, rb'\1', data)
    return re.sub(rb'(?m)^' + head + rb'\n(?=\[|\Z)', b'', data)


def _listed(data: bytes) -> Counter[tuple[str, str]]:
    """The keys and values in the text of a configuration file. Raises GitError."""
    out = run.output('config', '--file', '-', '-z', '--list', input=data)
    records = (os.fsdecode(record) for record in out.split(b'\0')[:-1])
    return Counter((r.partition('\n')[0], r.partition('\n')[2]) for r in records)


def _replace(file: Path, data: bytes) -> bool:
    """As git does it, so that neither writes over the other; whether it was done."""
    lock = file.with_name(f'{file.name}.lock')
    mode = file.stat().st_mode & 0o777
    descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, 'wb') as new:
            new.write(data)
        lock.chmod(mode)
        os.replace(lock, file)
    except BaseException:
        lock.unlink(missing_ok=True)
        raise
    return True


def _put_back(file: Path) -> None:
    try:
        data = file.read_bytes()
        if data == _NOTE:
            file.unlink()
        elif data.startswith(_NOTE):
            _replace(file, data.removeprefix(_NOTE))
        elif data.endswith(b'\n' + _NOTE):
            _replace(file, data.removesuffix(b'\n' + _NOTE))
    except OSError:
        return      # it is as good without


def _file(scope: Sequence[str]) -> Path | None:
    """The file that ``git config`` writes to; None where that cannot be told."""
    if scope[0] == '--file':
        named = scope[1]
    elif scope[0] == '--local':
        named = run.text('rev-parse', '--git-path', 'config')
    elif scope[0] == '--worktree':
        named = _of_worktree()
    elif scope[0] == '--global':
        named = _of_user()
    else:
        named = _of_system()
    return Path(os.path.realpath(named)) if named else None


def _of_worktree() -> str:
    own = run.attempt('config', '--bool', 'extensions.worktreeConfig').out == b'true\n'
    return run.text('rev-parse', '--git-path', 'config.worktree' if own else 'config')


def _of_user() -> str:
    named = os.environ.get('GIT_CONFIG_GLOBAL')
    if named:
        return named
    home = os.path.expanduser('~/.gitconfig')
    base = os.environ.get('XDG_CONFIG_HOME') or os.path.expanduser('~/.config')
    other = os.path.join(base, 'git', 'config')
    return other if os.path.exists(other) and not os.path.exists(home) else home


def _of_system() -> str:
    named = os.environ.get('GIT_CONFIG_SYSTEM')
    return named or os.fsdecode(run.attempt('var', 'GIT_CONFIG_SYSTEM').out).strip()
