"""What is said of tensors whose bytes are not to be had."""
from __future__ import annotations

import sys
from collections.abc import Sequence

from git_model_driver.core.errors import MissingObject


def tell(names: Sequence[str]) -> int:
    """Say whose (``'<tensor>' of '<model>'``), if any; the exit code."""
    if not names:
        return 0
    more = f' and {len(names) - 1} more' if len(names) > 1 else ''
    print(
        MissingObject(
            f'{names[0]}{more} cannot be read',
            'get what is missing with "git model fetch", or look for it with '
            '"git model fsck"',
        ), file=sys.stderr,
    )
    return 128
