"""Tensors in the files of the worktree that are as clean has seen them: nothing of
these needs decoding.
"""
from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.git.repository import Repository
from git_model_driver.store.source import Span

if TYPE_CHECKING:
    from git_model_driver.looking.inplace import ModelFile


class Worktree:
    """Of a repository; any number of threads may ask."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._lock = threading.Lock()
        self._files: dict[str, ModelFile | None] = {}

    def span(self, oid: Oid, path: str) -> Span | None:
        """Where the tensor lies in the file at path, from the top, if it does; the file
        may be written to meanwhile.
        """
        with self._lock:
            if path not in self._files:
                self._files[path] = self._file(path)
            file = self._files[path]
        try:
            return file.span(oid) if file and oid in file else None
        except GitModelError:
            return None

    def _file(self, path: str) -> ModelFile | None:
        from git_model_driver.looking import inplace  # few pushes need these
        from git_model_driver.store.statcache import known_manifest

        top = self._repository.top
        if top is None:
            return None
        name = str(Path(top, path))
        try:
            fd = inplace.opened(name)
        except GitModelError:
            return None
        known = known_manifest(name, fd, self._repository)
        if known is None:
            os.close(fd)
            return None
        try:
            return inplace.ModelFile(fd, name, str(Path(name).parent), known)
        except GitModelError:
            return None
