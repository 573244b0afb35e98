"""Where we note what we know of other sides, below ``model/remotes/``."""
from __future__ import annotations

import hashlib
import os
from pathlib import Path


def folder_of(where: str, store_root: Path) -> Path:
    """That of one of them, by its address or name. It need not be there."""
    key = hashlib.sha256(os.fsencode(where)).hexdigest()[:32]
    return store_root / 'remotes' / key
