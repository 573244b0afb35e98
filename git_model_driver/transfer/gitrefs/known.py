"""What a Git remote has, as far as we have read its lists."""
from __future__ import annotations

import hashlib
import os
import secrets

from git_model_driver.core.oid import Oid
from git_model_driver.git import transport
from git_model_driver.git.repository import Repository
from git_model_driver.git.transport import Quarantine
from git_model_driver.git.transport import Ref
from git_model_driver.transfer.gitrefs import batches
from git_model_driver.transfer.gitrefs.batches import Stored


class Known:
    """The lists of one remote, kept below ``model/remotes/``."""

    def __init__(self, url: str, repository: Repository) -> None:
        self._url = url
        self._repository = repository
        self._tmp = repository.store_root / 'tmp'
        key = hashlib.sha256(os.fsencode(url)).hexdigest()[:32]
        self._folder = repository.store_root / 'remotes' / key

    def any(self) -> bool:
        return bool(self._ids())

    def stored(self) -> dict[Oid, list[Stored]]:
        """By oid, in all the ways that it was sent; what cannot be read is not known.
        """
        found: dict[Oid, list[Stored]] = {}
        for id_ in self._ids():
            for stored in self._read(id_):
                found.setdefault(stored.oid, []).append(stored)
        return found

    def refresh(self) -> None:
        """Read the lists that are new, forget those that are gone. Raises GitError."""
        refs = {
            found: ref for ref in transport.refs_of(self._url)
            if (found := batches.parse_ref(ref.name))
        }
        there = {
            id_: ref for (id_, what), ref in refs.items()
            if what == batches.INDEX and (id_, batches.OBJECTS) in refs
        }
        for id_ in set(self._ids()) - set(there):
            (self._folder / id_).unlink(missing_ok=True)
        new = sorted(set(there) - set(self._ids()))
        if new:
            self._get({id_: there[id_] for id_ in new})

    def add(self, id_: str, text: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f'.{secrets.token_hex(8)}'
        temporary.write_text(text, encoding='utf-8')
        os.replace(temporary, self._folder / id_)

    def _get(self, refs: dict[str, Ref]) -> None:
        with Quarantine(self._tmp, self._repository) as quarantine:
            quarantine.fetch(self._url, [ref.name for ref in refs.values()])
            for id_, ref in refs.items():
                data = quarantine.blob(f'{ref.oid}:{batches.INDEX}')
                text = data.decode('utf-8', 'replace')
                if batches.id_of(text) == id_:      # or it was tampered with
                    self.add(id_, text)

    def _ids(self) -> list[str]:
        try:
            names = os.listdir(self._folder)
        except OSError:
            return []
        return sorted(name for name in names if not name.startswith('.'))

    def _read(self, id_: str) -> list[Stored]:
        try:
            text = (self._folder / id_).read_text(encoding='utf-8')
            return batches.parse(text, id_)
        except (OSError, ValueError):
            return []
