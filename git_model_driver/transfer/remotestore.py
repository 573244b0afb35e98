"""What every place that keeps tensors for a remote can do."""
from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.store.objects import Store


class RemoteStore(Protocol):
    """Objects by oid. Nothing of it is changed but by ``send``, which only adds.

    Each method raises GitModelError where the other side cannot be reached or refuses.
    """

    @property
    def label(self) -> str:
        """What is said of it in a message."""

    def new(self, revisions: Sequence[str]) -> dict[Oid, str]:
        """The objects that these commits need beyond those that it surely has.

        With a path that needs each. What is pushed again costs no question.
        """

    def lacking(self, oids: Collection[Oid]) -> set[Oid]:
        """Those that it does not have whole, with what they are based on."""

    def send(self, objects: Mapping[Oid, str], store: Store) -> int:
        """Send what it lacks; how many objects that was. ``objects`` has a path each.

        What a killed one left is of no harm, and not sent again.
        """

    def take(self, wanted: Iterable[Oid], store: Store) -> None:
        """Get these into the store, as far as it has them, with their bases.

        What is already in the store is not asked for. Each is compared with its SHA-256
        before it has a name. Raises CorruptObject.
        """


def source_of(oid: Oid, path: str, store: Store) -> None:
    """Raise GitModelError where an object that is to be sent is not to be had."""
    if store.find(oid) is None:
        raise GitModelError(
            f"cannot push '{path}': its object {oid} is not in the store",
            'get it with "git model pull", or from another repository that has it: git '
            'model fetch <repository>; see all with "git model fsck"',
        )
