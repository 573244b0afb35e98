"""Work done ahead in threads, its results taken in order."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import NamedTuple

from git_model_driver.store import cores
from git_model_driver.store import memory

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_MOST_THREADS = 4
_AHEAD = 2      # per thread: one in work, one done


class Step(NamedTuple):
    """Something to do; what is not ``heavy`` costs less than handing it over."""

    do: Callable[[], object]
    heavy: bool


def in_order(
    steps: Iterable[Step], threads: int = _MOST_THREADS,
) -> Iterator[object]:
    """The results of all steps; a few are done before they are asked for.

    Steps are taken from the iterable in the caller's thread. At most so many
    ``threads`` do them, and no more than there are cores.
    """
    threads = cores.threads(threads)
    waiting: deque[Callable[[], object]] = deque()
    pool: ThreadPoolExecutor | None = None
    try:
        for step in steps:
            if step.heavy:
                pool = pool or _pool(threads)
                waiting.append(pool.submit(step.do).result)
            else:
                waiting.append(step.do)
            while len(waiting) > _AHEAD * threads:
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def _pool(threads: int) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # 15 ms

    memory.keep()
    return ThreadPoolExecutor(threads)
