"""What a file was in the last commit: its tensors are what new ones are based on."""
from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property

from git_model_driver.core.layout import Tensor
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid


class Parent:
    """Loaded when it is first asked for: a file that did not change never asks."""

    def __init__(self, load: Callable[[], Manifest | None] = lambda: None) -> None:
        self._load = load
        self._lock = threading.Lock()

    @cached_property
    def _loaded(self) -> Manifest:
        return self._load() or Manifest('')

    def manifest(self) -> Manifest:
        with self._lock:
            return self._loaded

    def base_of(self, tensor: Tensor) -> Oid | None:
        """The tensor that had this name and dtype; its shape may have been another."""
        entry = self.manifest().tensors.get(tensor.name)
        return entry.oid if entry and entry.dtype == tensor.dtype else None

    def skeleton(self) -> Oid | None:
        skeleton = self.manifest().skeleton
        return skeleton.oid if skeleton else None
