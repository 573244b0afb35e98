"""The hooks: named by the configuration where Git can (settings), else as files.

A file is written where there is none, never over somebody else's; on request a
marked block is put into that one (block).
"""
from __future__ import annotations

import enum
import os
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import HookExists
from git_model_driver.git import block
from git_model_driver.git import byhand
from git_model_driver.git import files
from git_model_driver.git import run
from git_model_driver.git.repository import Repository

NAMES = ('pre-push', 'prepare-commit-msg')
# SHA-256 of texts that earlier versions installed: replaced without a question.
OLDER: dict[str, tuple[str, ...]] = {
    'pre-push': (
        'bb4952d5fe2ce8cd9f0a1da3c980afd718df5f35160840328767644fbbc40f72',
        'ed6b13fccf4b6d4427b21a15a282bde4e01390eb76304446396214d4127c787c',
        '969b4d8f5c5a6d764bd48c634c123df8393e98cd16272954c086dfd2ee117370',
    ),
    'prepare-commit-msg': (
        '9c9af5b8150eb696414d3a7c21843827910900a6d10286decd8bb2ef236ab555',
    ),
}
_HEAD = b'# A hook of git-model.'


class Kind(enum.Enum):
    """What is where git looks for a hook."""

    NONE = 'nothing'
    OURS = 'as install writes it, or wrote it'
    BLOCK = 'a hook with our block'
    FOREIGN = 'anything else'


class What(enum.Enum):
    """What is to be done to a hook: (said before it is done, and after)."""

    INSTALL = ('install', 'Installed')
    PUT = ('put a block into', 'Put a block into')
    REMOVE = ('remove', 'Removed')
    TAKE = ('take the block out of', 'Took the block out of')


class Step(NamedTuple):
    what: What
    name: str
    target: Path

    def take(self) -> None:
        if self.what is What.INSTALL:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            files.replace(self.target, script(self.name).encode(), 0o755)
        elif self.what is What.REMOVE:
            _remove(self.target)
        else:
            file = Path(os.path.realpath(self.target))
            data = file.read_bytes()
            if self.what is What.PUT:
                files.replace(file, block.put(data, _block(self.name)))
            else:
                files.replace(file, _without_block(data))


def script(name: str) -> str:
    """The text of the hook as it is shipped (hooks/ in the sources)."""
    from importlib import resources  # 10 ms, and filters import this module

    package = resources.files('git_model_driver.hooks')
    return (package / name).read_text(encoding='utf-8')


def _block(name: str) -> bytes:
    found = block.of(script(name).encode())
    assert found
    return found


def folder() -> Path:
    """Where git looks for hooks here: core.hooksPath counts."""
    return Path(os.path.abspath(run.text('rev-parse', '--git-path', 'hooks')))


def configured(name: str) -> str | None:
    """'enabled' or 'disabled' where git's configuration names the hook, and this git
    looks there.
    """
    listed = os.fsdecode(run.attempt('hook', 'list', name).out)
    for line in listed.splitlines():
        *words, last = line.split('\t')
        if last == f'model-{name}':
            return 'disabled' if words else 'enabled'
    return None


def kind_of(name: str, target: Path) -> Kind:
    if not os.path.lexists(target):
        return Kind.NONE
    try:
        data = target.read_bytes()
    except OSError:
        return Kind.FOREIGN
    if _is_ours(name, data) and not target.is_symlink():
        return Kind.OURS
    return Kind.FOREIGN if block.of(data) is None else Kind.BLOCK


def is_current(name: str, target: Path) -> bool:
    """Whether our hook or block does what it should."""
    runs = os.access(target, os.X_OK)
    return runs and block.of(target.read_bytes()) == _block(name)


def calls_us(name: str, target: Path) -> bool:
    """Whether somebody put a line of his own into his hook (byhand)."""
    try:
        return f'git-model {name} '.encode() in target.read_bytes()
    except OSError:
        return False


def runs(name: str) -> bool:
    """Whether git will run it."""
    state = configured(name)
    if state:
        return state == 'enabled'
    target = folder() / name
    ours = kind_of(name, target) in (Kind.OURS, Kind.BLOCK)
    return os.access(target, os.X_OK) and (ours or calls_us(name, target))


def _is_ours(name: str, data: bytes) -> bool:
    import hashlib  # a millisecond, and filters import this module

    return (
        data == script(name).encode()
        or hashlib.sha256(data).hexdigest() in OLDER[name]
    )


def to_install(
    name: str, repository: Repository, by_config: bool, append: str | None = None,
) -> Step | None:
    """What ``git model install`` has to do to a hook. Raises HookExists where that is
    nothing, and something is in the way.

    ``by_config``: git's configuration names it, so that no file is needed. ``append``
    puts a block into somebody else's; 'tracked' even if that is under version control.
    """
    target = folder() / name
    kind = kind_of(name, target)
    ours = kind in (Kind.OURS, Kind.BLOCK)
    if kind is Kind.OURS and by_config:
        return Step(What.REMOVE, name, target) if _private(target, repository) else None
    if (ours and is_current(name, target)) or (by_config and not append):
        return None
    if kind is Kind.FOREIGN and calls_us(name, target):
        return None
    _refuse_outside(name, target, repository)
    if kind is Kind.BLOCK or (kind is Kind.FOREIGN and append):
        _refuse_block(name, target, repository, append == 'tracked' or ours)
        return Step(What.PUT, name, target)
    if kind is Kind.FOREIGN:
        raise HookExists(
            f"there is another {name} hook, '{target}'; it was left alone",
            *byhand.request(name, target), *byhand.lines(name, target),
        )
    return None if by_config else Step(What.INSTALL, name, target)


def _refuse_outside(name: str, target: Path, repository: Repository) -> None:
    place = target.parent
    if _inside(place, repository):
        return
    linked = repository.common_dir in target.parents
    message = (
        f"'{place}' is a link to a folder outside this repository" if linked else
        f"core.hooksPath puts hooks outside this repository, in '{place}'"
    )
    raise HookExists(message, *byhand.lines(name, target))


def _refuse_block(
    name: str, target: Path, repository: Repository, tracked_too: bool,
) -> None:
    file = Path(os.path.realpath(target))
    try:
        if target.parent.name == '_' and (target.parent / 'h').exists():
            raise HookExists(f"'{target}' is husky's, which writes it anew")
        block.check(name, file, _inside(file.parent, repository), tracked_too)
    except OSError as e:
        raise HookExists(f"cannot read the {name} hook '{target}': {e}") from None
    except HookExists as e:
        raise HookExists(e.message, *(e.hints or byhand.lines(name, target))) from None


def to_uninstall(name: str, repository: Repository) -> Step | None:
    """What ``git model uninstall`` has to do to a hook. Raises HookExists where what
    is ours is others', too.
    """
    target = folder() / name
    kind = kind_of(name, target)
    if kind in (Kind.NONE, Kind.FOREIGN):
        return None
    file = Path(os.path.realpath(target))
    whole = _is_ours(name, file.read_bytes())
    if not _inside(file.parent, repository) or (whole and target.is_symlink()):
        return None         # install did not make it
    if block.is_committed(file):
        raise HookExists(
            f"the {name} hook '{target}' is committed, and was left as it is",
            f'to take the block out: {block.take_out(file)}',
        )
    return Step(What.REMOVE if whole else What.TAKE, name, target)


def _inside(place: Path, repository: Repository) -> bool:
    """Whether a folder belongs to this repository, wherever its name leads; not the
    top of the worktree.
    """
    real = Path(os.path.realpath(place))
    own = {repository.git_dir, repository.common_dir, repository.top} - {None}
    tops = {Path(os.path.realpath(path)) for path in own if path}
    top = repository.top and Path(os.path.realpath(repository.top))
    return real != top and bool(tops & {real, *real.parents})


def _private(target: Path, repository: Repository) -> bool:
    """Whether it is nobody else's, as what is in the worktree may be."""
    return repository.common_dir in target.parents


def _remove(target: Path) -> None:
    target.unlink()
    if not any(target.parent.iterdir()):
        target.parent.rmdir()


def _without_block(data: bytes) -> bytes:
    """What was added to our own file stays, but not what that says of itself."""
    first, _, rest = block.without(data).partition(b'\n')
    if rest.startswith(_HEAD):
        rest = rest.partition(b'\n')[2]
    return first + b'\n' + rest


def ensure(repository: Repository) -> None:
    """Install what is missing and can be: a filter set up for all repositories
    has no other occasion. Whatever is in the way is left to ``git model install``,
    and so is a folder that core.hooksPath puts among tracked files.
    """
    where = folder()
    if repository.common_dir not in where.parents:
        return
    for name in NAMES:
        try:
            if os.path.lexists(where / name) or configured(name):
                continue
            step = to_install(name, repository, by_config=False)
            if step:
                step.take()
        except (GitModelError, OSError):
            continue
