"""The commits whose tensors a depot surely has, kept below ``model/remotes/``."""
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from git_model_driver.transfer.notes import folder_of

_FILE = 'commits'
_MOST = 64


class Pushed:
    """Commits of one depot. Some may be gone from here."""

    def __init__(self, where: str, store_root: Path) -> None:
        self._file = folder_of(where, store_root) / _FILE

    def commits(self) -> list[str]:
        try:
            return self._file.read_text(encoding='utf-8').split()
        except (OSError, UnicodeDecodeError):
            return []

    def add(self, commits: Iterable[str]) -> None:
        lines = self.commits()
        new = [commit for commit in dict.fromkeys(commits) if commit not in lines]
        if not new:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.parent / f'.{os.urandom(8).hex()}'
        kept = [*lines, *new][-_MOST:]
        temporary.write_text(''.join(f'{line}\n' for line in kept), encoding='utf-8')
        os.replace(temporary, self._file)
