"""Objects in place of damaged ones: no moment without the one or the other."""
from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import is_oid
from git_model_driver.store.batch import Batch
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.disk import fsync
from git_model_driver.store.disk import give_name
from git_model_driver.store.disk import link_or_copy
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store
from git_model_driver.store.places import Places

SetAside = Callable[[Path, Path], None]


class MendingStore(Store):
    """Stores what is ``wanted`` and nothing else, in place of what is damaged.

    ``moved`` is told where a damaged object was and where it is now.
    """

    def __init__(self, store: Store, wanted: set[Oid], moved: SetAside) -> None:
        super().__init__(
            store.root, lambda: store.alternates, lambda: store.remotes,
        )
        self.wanted = wanted
        self._moved = moved

    def has(self, oid: Oid) -> bool:
        return oid not in self.wanted

    def batch(self) -> Batch:
        name = partial(self._name, self.wanted)
        return Batch(self.root, self.has, self.open_here, name)

    def _name(self, wanted: set[Oid], path: Path, final: Path) -> None:
        if os.path.lexists(final):
            self._moved(final, self.keep(final))
            os.replace(path, final)
        else:
            give_name(path, final)
        wanted.discard(Oid(f'sha256:{final.parent.name}{final.name}'))

    def keep(self, damaged: Path) -> Path:
        """Give a damaged object a second name in ``damaged/``."""
        places = Places(self.root)
        folder = self.root / 'damaged'
        places.folder(folder)
        target = first = folder / f'{damaged.parent.name}{damaged.name}'
        number = 0
        while os.path.lexists(target):      # an earlier one may be less damaged
            number += 1
            target = first.with_name(f'{first.name}.{number}')
        link_or_copy(damaged, target, places.file_mode)
        fsync(target)
        fsync(folder)
        return target

    def move(self, oid: Oid) -> None:
        """Set a damaged object aside though there is none in its place."""
        with StoreErrors(self.root):
            path = self.path(oid)
            target = self.keep(path)
            path.unlink()
            self._moved(path, target)

    def take_from(self, root: Path) -> None:
        """Take what is wanted from another store."""
        other = Store(root)
        with self.batch() as batch:
            for oid in sorted(self.wanted):
                if other.has_own(oid):
                    _take(batch, partial(other.open_here, oid))

    def take_from_leftovers(self) -> None:
        """Take what is wanted from what was set aside or never got its name."""
        with self.batch() as batch:
            for path, oid in self._leftovers():
                _take(batch, partial(ObjectFile, path, oid, self.open_here))

    def _leftovers(self) -> Iterator[tuple[Path, Oid]]:
        for path in sorted((self.root / 'damaged').glob('*')):
            oid = Oid(f'sha256:{path.name[:64]}')
            if is_oid(oid) and oid in self.wanted:
                yield path, oid
        for path in sorted((self.root / 'tmp').glob('*')):
            yield path, Oid(f'sha256:{"0" * 64}')       # it tells when it is read


def _take(batch: Batch, open_: Callable[[], ObjectFile]) -> None:
    """Store an object's bytes, based on nothing, if it can be read."""
    with ExitStack() as closing:
        try:
            file = closing.enter_context(open_())
            for _ in file.chunks():
                pass
        except (StoreError, OSError):
            return
        batch.put_decoded(file)     # what goes wrong now is about writing
