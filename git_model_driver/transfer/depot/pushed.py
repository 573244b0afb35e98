"""The commits whose tensors a depot surely has, kept below ``model/remotes/``."""
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from git_model_driver.git import run
from git_model_driver.transfer.notes import folder_of

_FILE = 'commits'
_MOST = 64


class Pushed:
    """Commits of one depot. Those that are gone from here are forgotten."""

    def __init__(self, where: str, store_root: Path) -> None:
        self._file = folder_of(where, store_root) / _FILE

    def commits(self) -> list[str]:
        asked = ''.join(f'{line}\n' for line in self._lines()).encode()
        if not asked:
            return []
        said = run.output('cat-file', '--batch-check', input=asked).decode()
        lines = (line.split() for line in said.splitlines())
        return [words[0] for words in lines if words[-1] != 'missing']

    def add(self, commits: Iterable[str]) -> None:
        lines = self._lines()
        new = [commit for commit in dict.fromkeys(commits) if commit not in lines]
        if not new:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.parent / f'.{os.urandom(8).hex()}'
        kept = [*lines, *new][-_MOST:]
        temporary.write_text(''.join(f'{line}\n' for line in kept), encoding='utf-8')
        os.replace(temporary, self._file)

    def _lines(self) -> list[str]:
        try:
            return self._file.read_text(encoding='utf-8').split()
        except (OSError, UnicodeDecodeError):
            return []
