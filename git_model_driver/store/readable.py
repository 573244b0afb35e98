"""What those who only read need of a store, or of what stands in for one."""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from git_model_driver.core.oid import Oid


class Opened(Protocol):
    """An object that is open; a context manager."""

    def __enter__(self) -> Opened: ...

    def __exit__(self, *exc: object) -> None: ...

    def chunks(self) -> Iterator[memoryview]:
        """The raw bytes in order; each chunk is valid until the next is taken."""


class Readable(Protocol):
    """Objects by their oids."""

    root: Path

    def open(self, oid: Oid) -> Opened:
        """Raises MissingObject, CorruptObject."""

    def missing(self, oids: Iterable[Oid]) -> set[Oid]:
        """Those that are not here; nothing is fetched."""

    def gather(self, oids: Iterable[Oid]) -> list[Path]:
        """Get what is only elsewhere, all in one go; what is damaged there."""
