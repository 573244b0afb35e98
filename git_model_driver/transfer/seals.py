"""How what a remote keeps is wrapped: as it is, or encrypted (transfer.sealing)."""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Protocol

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import digest_of
from git_model_driver.core.oid import hex_of

if TYPE_CHECKING:
    from git_model_driver.store.codec.zstd import Buffer


class Seal(Protocol):
    """How what is sent to a remote is wrapped, and what it is called there."""

    @property
    def id(self) -> str:
        """Of the key; '' where nothing is encrypted."""

    def name(self, oid: Oid) -> str:
        """64 hexadecimal digits."""

    def size(self, nbytes: int) -> int:
        """What so many bytes become."""

    def content_size(self, nbytes: int) -> int:
        """Inverse of ``size``. Raises ValueError where that is of nothing."""

    def seal(self, pieces: Iterable[Buffer], what: bytes) -> Iterator[Buffer]:
        """``what`` it is, which it must be when it is opened."""

    def open(self, pieces: Iterable[Buffer], what: bytes) -> Iterator[Buffer]:
        """Inverse of ``seal``. Raises CorruptObject, GitModelError (another key).

        Each piece is authentic, but that it is all of it only the end tells.
        """

    def beginning(self, data: bytes, total: int, what: bytes) -> bytes:
        """What can be told from the first bytes of a file of that size."""


def object_(oid: Oid) -> bytes:
    """What an object is."""
    return b'object ' + digest_of(oid)


class Plain:
    """Nothing is encrypted."""

    id = ''

    def name(self, oid: Oid) -> str:
        return hex_of(oid)

    def size(self, nbytes: int) -> int:
        return nbytes

    def content_size(self, nbytes: int) -> int:
        return nbytes

    def seal(self, pieces: Iterable[Buffer], what: bytes) -> Iterator[Buffer]:
        return iter(pieces)

    def open(self, pieces: Iterable[Buffer], what: bytes) -> Iterator[Buffer]:
        return iter(pieces)

    def beginning(self, data: bytes, total: int, what: bytes) -> bytes:
        return data


@contextmanager
def said_of(label: str) -> Iterator[None]:
    """Errors say what they are of, if they do not."""
    try:
        yield
    except GitModelError as e:
        if label in e.message:
            raise
        raise type(e)(f'{label}: {e.message}', *e.hints) from None
