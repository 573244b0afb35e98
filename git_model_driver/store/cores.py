"""How much is done at once where nothing is waited for."""
from __future__ import annotations

import os

_MOST = 4       # each has a chunk or a tensor in memory


def threads(most: int = _MOST) -> int:
    """No more than there are cores: they would be in each other's way."""
    return min(os.cpu_count() or 1, most)
