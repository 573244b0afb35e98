"""Files beside the model (tokenizer.json, config.json) in the merged commits."""
from __future__ import annotations

import posixpath
from collections.abc import Callable
from collections.abc import Sequence
from threading import Lock

from git_model_driver.git import run
from git_model_driver.git import sides
from git_model_driver.git.sides import Blob
from git_model_driver.git.sides import Place


class Siblings:
    """Nothing is looked for, and no process runs, before the first ``read``.

    Side -1 is base, 0 is ours (HEAD), 1 and on are the other versions.
    """

    def __init__(self, locate: Callable[[], Sequence[Place | None]]) -> None:
        self._locate = locate
        self._places: Sequence[Place | None] | None = None
        self._read: dict[tuple[int, str], bytes | None] = {}
        self._lock = Lock()

    @classmethod
    def of(cls, commits: Sequence[str | None], path: str) -> Siblings:
        """Beside ``path`` in commits that are known: base first, then the versions."""
        places = [Place(commit, path) if commit else None for commit in commits]
        return cls(lambda: places)

    def commit(self, side: int) -> str | None:
        """The side's commit, None where it cannot be told."""
        with self._lock:
            place = self._place(side)
        return place.commit if place else None

    def read(self, side: int, name: str) -> bytes | None:
        """The file of that name in the model's folder; None if there is none."""
        with self._lock:
            if (side, name) not in self._read:
                self._read[side, name] = _content(self._place(side), name)
            return self._read[side, name]

    def _place(self, side: int) -> Place | None:
        if self._places is None:
            self._places = self._locate()
        return self._places[side + 1] if side + 1 < len(self._places) else None


def _content(place: Place | None, name: str) -> bytes | None:
    if place is None:
        return None
    folder = posixpath.dirname(place.path)
    path = posixpath.normpath(posixpath.join(folder, name))
    if path.startswith(('../', '/')):
        return None         # outside the repository
    found = run.attempt('cat-file', 'blob', f'{place.commit}:{path}')
    return found.out if found.code == 0 else None


def find(path: str, blobs: Sequence[Blob]) -> Siblings:
    """Beside the file that a merge driver was called for.

    ``blobs``: base's, ours' and theirs' file as given to the driver, as content
    or oid, None or empty where there is none.
    """
    given = list(blobs)
    return Siblings(lambda: sides.find(path, given))
