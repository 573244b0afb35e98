"""Numbers remembered by key, in SQLite: shared by processes, safe to lose."""
from __future__ import annotations

import struct
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_VALUES = struct.Struct('<8d')
_TABLE, _FORMER = 'eight_numbers', 'numbers'      # that had seven
_AT_ONCE = 500          # SQLite before 3.32 takes 999 at most
_TIMEOUT = 2.0


class Cache:
    """Eight float64 by text key in the file ``path``.

    The table is named after what is in it: a version of this program that remembers
    other numbers has another table, and what it wrote is not taken for these.
    Whatever is wrong with the file, or with SQLite, nothing is remembered.
    """

    def __init__(self, path: Path) -> None:
        import sqlite3

        self._error = sqlite3.Error
        self._database: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=_TIMEOUT)
            self._database.execute(
                f'CREATE TABLE IF NOT EXISTS {_TABLE} '
                '(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID',
            )
            self._database.execute(f'DROP TABLE IF EXISTS {_FORMER}')
        except (OSError, self._error):
            self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """From then on nothing is remembered."""
        database, self._database = getattr(self, '_database', None), None
        if database is not None:
            with suppress(self._error):
                database.close()

    def get(self, key: str) -> Sequence[float] | None:
        return self.get_all([key]).get(key)

    def get_all(self, keys: Sequence[str]) -> Mapping[str, Sequence[float]]:
        """Of those that are remembered."""
        found: dict[str, Sequence[float]] = {}
        for start in range(0, len(keys), _AT_ONCE):
            for key, value in self._rows(keys[start:start + _AT_ONCE]):
                with suppress(struct.error, TypeError):
                    found[key] = _VALUES.unpack(value)
        return found

    def _rows(self, keys: Sequence[str]) -> Sequence[tuple[str, bytes]]:
        if self._database is None:
            return []
        try:
            return self._database.execute(
                f'SELECT key, value FROM {_TABLE} WHERE key IN '
                f'({",".join("?" * len(keys))})', keys,
            ).fetchall()
        except self._error:
            return []

    def put(self, values: Mapping[str, Sequence[float]]) -> None:
        if self._database is None or not values:
            return
        rows = [(key, _VALUES.pack(*eight)) for key, eight in values.items()]
        try:
            with self._database:
                self._database.executemany(
                    f'INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?)', rows,
                )
        except self._error:
            return
