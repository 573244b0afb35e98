"""Objects are removed only if nobody asked for them meanwhile."""
from __future__ import annotations

import os
from pathlib import Path

from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import hex_of
from git_model_driver.store.disk import StoreErrors
from git_model_driver.store.disk import give_name
from git_model_driver.store.places import Places
from git_model_driver.store.places import object_path


def remove(root: Path, oid: Oid, before: float) -> bool:
    """Remove an object that was last wanted before that time; whether it was removed.

    It loses its name first, and gets it back if it was marked (store.freshness) just
    before: whoever comes later finds nothing, and stores it anew.
    """
    path, aside = object_path(root, oid), root / 'tmp' / f'removed-{hex_of(oid)}'
    with StoreErrors(root):
        Places(root).folder(root / 'tmp')
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return False
        if aside.stat().st_mtime >= before:
            give_name(aside, path)
            return False
        aside.unlink()
    return True
