"""Several transfers at once: a network is waited for more than worked on."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import TypeVar

from git_model_driver.core.errors import GitModelError

_DEFAULT = 8        # as lfs.concurrentTransfers
MOST = 256

if TYPE_CHECKING:
    from git_model_driver.store.batch import Batch
    from git_model_driver.store.objects import Store

T = TypeVar('T')


def count() -> int:
    """``model.concurrentTransfers``."""
    from git_model_driver.git import options  # 2 ms; what is linked needs none

    said = options.get('concurrentTransfers')
    if said is None:
        return _DEFAULT
    if not said.isdecimal() or not 0 < int(said) <= MOST:
        raise GitModelError(
            f"'model.concurrentTransfers' is a number from 1 to {MOST}, not '{said}'",
            f'set it with "git config --global model.concurrentTransfers {_DEFAULT}"',
        )
    return int(said)


def each(
    work: Callable[[T], object], items: Iterable[T], most: int = MOST,
) -> None:
    """Do the work for each item, in any order, several at once, but no more than most.

    After the first error nothing more is begun; it is raised when what was begun has
    ended.
    """
    from concurrent.futures import FIRST_EXCEPTION  # 15 ms
    from concurrent.futures import ThreadPoolExecutor
    from concurrent.futures import wait

    with ThreadPoolExecutor(min(count(), most)) as pool:
        running = [pool.submit(work, item) for item in items]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
        finally:
            for future in running:
                future.cancel()
        for future in running:
            if future in done:
                future.result()


def put_each(
    put: Callable[[Batch, T], object], items: Iterable[T], store: Store,
    most: int = MOST,
) -> GitModelError | None:
    """Have each item put what it is into one batch of the store.

    The first error, if there is one: what is whole by then is stored all the same.
    """
    failure: GitModelError | None = None
    with store.batch() as batch:
        try:
            each(lambda item: put(batch, item), items, most)
        except GitModelError as e:
            failure = e
    return failure
