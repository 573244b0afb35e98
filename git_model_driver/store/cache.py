"""Numbers remembered by key, in SQLite: shared by processes, safe to lose."""
from __future__ import annotations

import struct
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

_VALUES = struct.Struct('<7d')
_TIMEOUT = 2.0


class Cache:
    """Seven float64 by text key in the file ``path``.

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
                'CREATE TABLE IF NOT EXISTS numbers '
                '(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID',
            )
        except (OSError, self._error):
            self._database = None

    def get(self, key: str) -> Sequence[float] | None:
        if self._database is None:
            return None
        try:
            row = self._database.execute(
                'SELECT value FROM numbers WHERE key = ?', (key,),
            ).fetchone()
            return _VALUES.unpack(row[0]) if row else None
        except (self._error, struct.error, TypeError):
            return None

    def put(self, values: Mapping[str, Sequence[float]]) -> None:
        if self._database is None or not values:
            return
        rows = [(key, _VALUES.pack(*seven)) for key, seven in values.items()]
        try:
            with self._database:
                self._database.executemany(
                    'INSERT OR REPLACE INTO numbers VALUES (?, ?)', rows,
                )
        except self._error:
            return
