"""Files by key, as every kind of storage has them."""
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from git_model_driver.store.codec.zstd import Buffer


class Place(Protocol):
    """Files below an address. A key is a path with "/".

    Each method raises GitModelError where the storage cannot be reached or refuses. Any
    number of threads may ask.
    """

    @property
    def label(self) -> str:
        """The address, without what is secret in it."""

    @property
    def is_near(self) -> bool:
        """Whether files can be linked there, and a question costs next to nothing."""

    @property
    def has_lists(self) -> bool:
        """Whether the sizes of a folder's files are one question."""

    @property
    def at_once(self) -> int:
        """How many at most should ask at a time."""

    def check(self) -> None:
        """Asked where nothing is found. Raises GitModelError if there is no place."""

    def size(self, key: str) -> int | None:
        """Bytes of a file; None if there is none."""

    def sizes(self, folder: str) -> dict[str, int]:
        """By key, of all files in a folder, however many there are."""

    def read(self, key: str, start: int, end: int) -> bytes:
        """Some bytes of a file that is there, fewer at its end."""

    def link(self, key: str, path: Path) -> bool:
        """Give a file of ours that name, too; False where it must be put."""

    def settle(self) -> None:
        """What was linked is on disk."""

    def put(self, key: str, nbytes: int, pieces: Iterable[Buffer]) -> None:
        """Write a file of so many bytes: the whole of it at once, or nothing.

        What may raise OSError is only the reading of the pieces.
        """
