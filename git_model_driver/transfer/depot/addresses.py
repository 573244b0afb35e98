"""Which storage an address is of."""
from __future__ import annotations

import os
import re
from pathlib import Path

from git_model_driver.transfer.depot.folder import Folder
from git_model_driver.transfer.depot.place import Place

_FILE = ('file://', 'local://')
_USER = r'(?i)^([a-z][a-z0-9+.-]*://)[^/@]*@'


def place(value: str, beside: Path | None = None) -> Place:
    """Nothing is asked or loaded before it is used. What is sent comes from ``beside``.
    """
    for scheme in _FILE:
        if value.startswith(scheme):
            from urllib.parse import unquote  # 3 ms

            path = os.path.abspath(unquote(value.removeprefix(scheme)))
            return Folder(Path(path), beside)
    if '://' not in value:
        return Folder(Path(value), beside)
    from git_model_driver.transfer.depot.storage import Storage

    return Storage(value, redacted(value))


def redacted(url: str) -> str:
    """Without a user, a password, or what follows a "?"."""
    return re.sub(_USER, r'\1', url.partition('?')[0])
