"""Files at an address that fsspec reaches: object storage, SFTP, and others.

Credentials are those of the environment, and of fsspec's and the libraries' own
settings: nothing that a repository holds is asked.
"""
from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from contextlib import nullcontext
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from typing import TypeVar

from git_model_driver.core.errors import GitModelError
from git_model_driver.store.codec.zstd import Buffer
from git_model_driver.transfer import workers
from git_model_driver.transfer.depot import refusals

# scheme: our extra
_EXTRAS = {
    's3': 's3', 's3a': 's3', 'gs': 'gs', 'gcs': 'gs', 'az': 'az', 'abfs': 'az',
    'abfss': 'az', 'adl': 'az', 'sftp': 'sftp', 'ssh': 'sftp',
}
_LIBRARIES = {'s3': 's3fs', 'gs': 'gcsfs', 'az': 'adlfs', 'sftp': 'paramiko'}
# What is written there appears whole, when it is closed; and they try again themselves.
_ATOMIC = frozenset({'s3', 's3a', 'gs', 'gcs', 'az', 'abfs', 'abfss'})
_BUCKETS_HIDDEN = frozenset({'gs', 'az'})
_ONE_AT_A_TIME = frozenset({'sftp', 'ssh'})
# What these tell of an error, with a traceback, they tell besides raising it.
_TALKING = (
    'adlfs', 'aiobotocore', 'asyncio', 'azure', 'botocore', 'fsspec', 'gcsfs',
    'google', 'paramiko', 's3fs',
)
_BLOCK = 5 << 20            # the least that S3 takes as a part
_MOST_PARTS = 9_000         # of 10,000
_TRIES = 3
_PAUSE = 0.3                # seconds, then twice as many

T = TypeVar('T')


class Storage:
    """What ``url`` leads to; ``label`` is what is said of it."""

    is_near = False
    has_lists = True
    at_once = workers.MOST

    def __init__(self, url: str, label: str) -> None:
        self._url = url
        self._label = label
        self._scheme = scheme_of(url)
        self._lock = threading.Lock()
        self._folders: set[str] = set()
        # paramiko loses answers where several threads ask in one session.
        self._turn = threading.RLock() if scheme_of(url) in _ONE_AT_A_TIME else None

    @property
    def label(self) -> str:
        return self._label

    def size(self, key: str) -> int | None:
        def ask() -> int | None:
            try:
                info = self._system.info(self._path(key))
            except FileNotFoundError as e:
                if refusals.is_no_place(e):
                    raise
                return None
            return int(info['size']) if info['type'] == 'file' else None

        return self._tried(ask)

    def sizes(self, folder: str) -> dict[str, int]:
        def ask() -> dict[str, int]:
            try:
                found = self._system.ls(self._path(folder), detail=True)
            except FileNotFoundError as e:
                if refusals.is_no_place(e):
                    raise
                return {}
            return {
                f'{folder}/{_last(info["name"])}': int(info['size'])
                for info in found if info['type'] == 'file'
            }

        return self._tried(ask)

    def read(self, key: str, start: int, end: int) -> bytes:
        def ask() -> bytes:
            return bytes(self._system.cat_file(self._path(key), start=start, end=end))

        return self._tried(ask)

    def link(self, key: str, path: Path) -> bool:
        return False

    def settle(self) -> None:
        return None

    def put(self, key: str, nbytes: int, pieces: Iterable[Buffer]) -> None:
        """Pieces can be had once: only the opening is tried again."""
        if self._scheme in _ATOMIC:
            try:
                self._write(self._path(key), nbytes, pieces)
            except GitModelError as e:
                if isinstance(e.__cause__, FileNotFoundError):  # all that gcsfs says
                    raise refusals.no_place(self._label) from e
                raise
            return
        path = self._path(f'tmp/{os.urandom(16).hex()}')
        try:
            self._make_folder(path)
            with self._turn or nullcontext():       # from the first byte to the last
                self._write(path, nbytes, pieces)
            self._make_folder(self._path(key))
            self._tried(lambda: self._system.mv(path, self._path(key)))
        except BaseException:
            self._forget(path)
            raise

    def check(self) -> None:
        """gcsfs and adlfs do not say of a file that its bucket is not there either."""
        if self._kind not in _BUCKETS_HIDDEN:
            return
        try:
            self._system.ls(self._root.partition('/')[0], detail=False)
        except FileNotFoundError as e:
            raise refusals.no_place(self._label) from e
        except Exception:
            pass        # it may be forbidden to list it

    def _write(self, path: str, nbytes: int, pieces: Iterable[Buffer]) -> None:
        block = max(_BLOCK, -(-nbytes // _MOST_PARTS))
        file = self._tried(
            lambda: self._system.open(path, 'wb', block_size=block, autocommit=True),
        )
        try:
            for piece in pieces:
                self._once(file.write, piece)
            self._once(file.close)
        except BaseException:
            with self._turn or nullcontext():
                _discard(file, self._kind != 'gs')
            raise

    def _make_folder(self, path: str) -> None:
        parent = path.rpartition('/')[0]
        if parent in self._folders:
            return

        def ask() -> None:
            try:
                self._system.makedirs(parent, exist_ok=True)
            except Exception:
                if not self._system.isdir(parent):      # or another was first
                    raise

        self._tried(ask)
        self._folders.add(parent)

    def _forget(self, path: str) -> None:
        with suppress(GitModelError):       # it was not begun, or nobody is there
            self._once(lambda: self._system.rm_file(path))

    def _tried(self, ask: Callable[[], T]) -> T:
        """Ask, and again where the network may have been at fault."""
        for number in range(0 if self._scheme in _ATOMIC else _TRIES - 1):
            try:
                with self._turn or nullcontext():
                    return ask()
            except GitModelError:
                raise
            except Exception as e:
                if not refusals.is_passing(e):
                    raise self._told(e) from e
            time.sleep(_PAUSE * 2 ** number)
        return self._once(ask)

    def _once(self, ask: Callable[..., T], *args: object) -> T:
        try:
            with self._turn or nullcontext():
                return ask(*args)
        except GitModelError:
            raise
        except Exception as e:
            raise self._told(e) from e

    def _told(self, error: BaseException) -> GitModelError:
        return refusals.told(error, self._label, self._kind)

    @property
    def _kind(self) -> str:
        return _EXTRAS.get(self._scheme, 'fsspec')

    def _path(self, key: str) -> str:
        return f'{self._root}/{key}'

    @property
    def _system(self) -> Any:
        with self._lock:        # several would connect at once
            return self._connected[0]

    @property
    def _root(self) -> str:
        with self._lock:
            return str(self._connected[1]).rstrip('/')

    @cached_property
    def _connected(self) -> tuple[Any, str]:
        """The file system, and the path of the address in it."""
        _quieten()
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise self._lacking('fsspec') from None
        try:
            if self._scheme in ('sftp', 'ssh'):
                from git_model_driver.transfer.depot import known_hosts

                return known_hosts.connect(self._url)
            if self._kind == 'gs':
                # Else it asks of each bucket by gRPC, for a minute, of which kind it
                # is. Only zonal ones are read in another way.
                os.environ.setdefault('GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT', 'false')
            found = url_to_fs(
                self._url, use_listings_cache=False, skip_instance_cache=True,
            )
            return found[0], str(found[1])
        except ImportError:
            raise self._lacking(_LIBRARIES.get(self._kind, 'a library')) from None
        except ValueError as e:
            if 'protocol' not in str(e).lower():
                raise
            raise GitModelError(
                f"'{self._label}' is of a kind that fsspec does not know",
                'use s3://, gs://, az://, abfs://, sftp://, file:// or a directory',
            ) from None

    def _lacking(self, library: str) -> GitModelError:
        return GitModelError(
            f"'{self._label}' needs '{library}', which is not installed",
            f'get it with: pip install "git-model-driver[{self._kind}]"',
        )


def scheme_of(url: str) -> str:
    return url.partition('://')[0].lower()


def _quieten() -> None:
    """Nothing of the libraries' logs is printed where nobody has set up logging."""
    for name in _TALKING:
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def _discard(file: Any, is_kept: bool) -> None:
    """Have what was begun forgotten: closing would make a file of it.

    Where it would not be ``is_kept`` for good, nobody is asked to forget it: whoever
    could not be reached is tried for long again.
    """
    if is_kept:
        with suppress(Exception):       # nobody can be reached
            file.discard()
    try:
        file.closed = True      # nor does the collector close it
    except AttributeError:
        pass


def _last(name: str) -> str:
    return name.rstrip('/').rpartition('/')[2]
