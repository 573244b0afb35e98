"""Where we note what we know of other sides, below ``model/remotes/``."""
from __future__ import annotations

import os
from pathlib import Path

_SECRETS = frozenset('@?')      # passwords and tokens are before and behind these
_LONGEST = 60       # bytes that are written out; some file systems take 140 digits


def folder_of(where: str, store_root: Path) -> Path:
    """That of one of them, by its address or name. It need not be there."""
    data = os.fsencode(where)
    if len(data) <= _LONGEST and _SECRETS.isdisjoint(where):
        return store_root / 'remotes' / f'x{data.hex()}'
    import hashlib  # 6 ms, a fortieth of a push to a directory

    key = hashlib.sha256(data).hexdigest()[:32]
    return store_root / 'remotes' / key
