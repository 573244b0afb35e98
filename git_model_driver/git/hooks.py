"""Hook scripts: written where there is none, never over somebody else's."""
from __future__ import annotations

import os
from pathlib import Path

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import HookExists
from git_model_driver.git import files
from git_model_driver.git import run
from git_model_driver.git.repository import Repository

NAMES = ('pre-push', 'prepare-commit-msg')
# Texts that earlier versions installed: replaced without a question.
OLDER: dict[str, tuple[str, ...]] = {}


def script(name: str) -> str:
    """The text of the hook as it is shipped (hooks/ in the sources)."""
    from importlib import resources  # 10 ms, and filters import this module

    package = resources.files('git_model_driver.hooks')
    return (package / name).read_text(encoding='utf-8')


def folder() -> Path:
    """Where git looks for hooks here: core.hooksPath counts."""
    return Path(os.path.abspath(run.text('rev-parse', '--git-path', 'hooks')))


def install(name: str, repository: Repository) -> Path:
    """Write the hook. Raises HookExists for a foreign one, or a foreign folder."""
    target = folder() / name
    inside = {repository.git_dir, repository.common_dir, repository.top}
    if not inside & {*target.parents} or target.parent == repository.top:
        raise HookExists(
            f"core.hooksPath puts hooks outside this repository, in '{target.parent}'",
            *by_hand(name, target),
        )
    if os.path.lexists(target) and not is_ours(name, target):
        raise HookExists(
            f"there is another {name} hook, '{target}'; it was left alone",
            *by_hand(name, target),
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    files.replace(target, script(name).encode(), 0o755)
    return target


def ensure(repository: Repository) -> None:
    """Install what is missing and can be: a filter set up for all repositories
    has no other occasion. Whatever is in the way is left to ``git model install``,
    and so is a folder that core.hooksPath puts among tracked files.
    """
    if repository.common_dir not in folder().parents:
        return
    for name in NAMES:
        try:
            if not (folder() / name).exists():
                install(name, repository)
        except (GitModelError, OSError):
            continue


def by_hand(name: str, target: Path) -> tuple[str, ...]:
    if name != 'pre-push':
        return (
            f'put this line at the top of {target}, below "#!":',
            f'command -v git-model >/dev/null && git-model {name} "$@"',
        )
    return (
        f'put these lines at the top of {target}, below "#!"; what follows them '
        'reads the same input:',
        'refs=$(cat)',
        f'printf "%s\\n" "$refs" | git-model {name} "$@" || exit 1',
        'exec <<EOF',
        '$refs',
        'EOF',
    )


def is_ours(name: str, target: Path) -> bool:
    try:
        text = target.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError):
        return False
    return text == script(name) or text in OLDER.get(name, ())


def uninstall(name: str) -> Path | None:
    """Remove the hook if it is ours; its path, or None."""
    target = folder() / name
    if not is_ours(name, target):
        return None
    target.unlink()
    return target
