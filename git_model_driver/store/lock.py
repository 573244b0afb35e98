"""One process at a time removes or replaces objects."""
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from git_model_driver.core.errors import StoreError
from git_model_driver.store.disk import StoreErrors


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the store's ``gc.lock``. Raises StoreError where somebody else does.

    The lock is the kernel's: it ends with the process, however that ends.
    """
    with StoreErrors(root):
        fd = os.open(root / 'gc.lock', os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(fd, root)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, root: Path) -> None:
    try:
        import fcntl
    except ImportError:     # Windows: then it is up to the user
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError(
            f"another 'git model gc' or 'git model prune' is at work in '{root}'",
            'wait until it has ended, then run the command again',
        ) from None
