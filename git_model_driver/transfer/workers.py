"""Several transfers at once: a network is waited for more than worked on."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import TypeVar

from git_model_driver.git import run

_DEFAULT = 8        # as lfs.concurrentTransfers

T = TypeVar('T')


def count() -> int:
    """``model.concurrentTransfers``."""
    found = run.attempt('config', '--type=int', '--get', 'model.concurrentTransfers')
    return max(1, int(found.out)) if found.code == 0 else _DEFAULT


def each(work: Callable[[T], object], items: Iterable[T]) -> None:
    """Do the work for each item, in any order, several at once.

    After the first error nothing more is begun; it is raised when what was begun has
    ended.
    """
    from concurrent.futures import FIRST_EXCEPTION  # 15 ms
    from concurrent.futures import ThreadPoolExecutor
    from concurrent.futures import wait

    with ThreadPoolExecutor(count()) as pool:
        running = [pool.submit(work, item) for item in items]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
        finally:
            for future in running:
                future.cancel()
        for future in running:
            if future in done:
                future.result()
