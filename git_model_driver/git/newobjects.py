"""New small objects, many at a time: each some thousand of them are one pack."""
from __future__ import annotations

from typing import Protocol

from git_model_driver.git.packs import TREE
from git_model_driver.git.packs import PackWriter
from git_model_driver.git.packs import object_name
from git_model_driver.git.repository import Repository

_MOST = 1 << 15
_MOST_BYTES = 32 << 20


class Sink(Protocol):
    """What takes new objects and names them."""

    empty_tree: str

    def add(self, kind: int, data: bytes) -> str: ...


class Named:
    """Names objects, and keeps none."""

    def __init__(self, algorithm: str) -> None:
        self._algorithm = algorithm
        self.empty_tree = object_name(algorithm, TREE, b'')

    def add(self, kind: int, data: bytes) -> str:
        return object_name(self._algorithm, kind, data)


class Packed:
    """Puts objects into the repository. All of them are there after the ``with``."""

    def __init__(self, repository: Repository) -> None:
        self._folder = repository.common_dir / 'objects' / 'pack'
        self._algorithm = repository.algorithm
        self.empty_tree = object_name(self._algorithm, TREE, b'')
        self._waiting: list[tuple[int, bytes]] = []
        self._nbytes = 0
        self._names: set[str] = set()

    def __enter__(self) -> Packed:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        if kind is None:
            self._flush()

    def add(self, kind: int, data: bytes) -> str:
        name = object_name(self._algorithm, kind, data)
        if name not in self._names:
            self._names.add(name)
            self._waiting.append((kind, data))
            self._nbytes += len(data)
            if len(self._waiting) >= _MOST or self._nbytes >= _MOST_BYTES:
                self._flush()
        return name

    def _flush(self) -> None:
        if not self._waiting:
            return
        count = len(self._waiting)
        with PackWriter(self._folder, self._algorithm, count, durable=True) as pack:
            for kind, data in self._waiting:
                pack.add_compressed(kind, data)
        self._waiting, self._nbytes = [], 0
