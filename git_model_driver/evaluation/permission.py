"""What a repository wants to have run is run only after its user has allowed it.

As direnv does it: the permission is for one text in one repository, and is kept with
the user's own data, where no clone and no archive can bring it along. Another text
has to be allowed anew.
"""
from __future__ import annotations

import hashlib
import os
from pathlib import Path

from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.git import files
from git_model_driver.git.repository import Repository

DIGITS = 32     # nobody finds two texts with the same ones


def key_of(text: str) -> str:
    """What the user types to allow a text: a hash, so that it is the one he saw."""
    return hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:DIGITS]


def is_allowed(text: str, repository: Repository) -> bool:
    return _file(text, repository).is_file()


def allow(text: str, repository: Repository) -> Path:
    """Allow a text for good; the file that says so."""
    file = _file(text, repository)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    said = f'{_place(repository)}\n{text}\n'
    files.replace(file, said.encode('utf-8', 'surrogateescape'), 0o600)
    return file


def require(text: str, name: str, repository: Repository) -> None:
    """Raises GitModelError, with the text, unless the user has allowed it."""
    if not is_allowed(text, repository):
        raise GitModelError(
            f"this repository's evaluator '{words.printable(name)}' wants to run: "
            f'{words.printable(text)}',
            'read what that does; to allow exactly this here from now on, say '
            f'"git model evaluate --allow={key_of(text)}"',
        )


def _file(text: str, repository: Repository) -> Path:
    both = f'{_place(repository)}\0{text}'.encode('utf-8', 'surrogateescape')
    return _folder() / hashlib.sha256(both).hexdigest()


def _place(repository: Repository) -> str:
    return os.path.realpath(repository.common_dir)


def _folder() -> Path:
    data = os.environ.get('XDG_DATA_HOME', '')
    base = Path(data) if os.path.isabs(data) else Path.home() / '.local/share'
    return base / 'git-model' / 'allowed'
