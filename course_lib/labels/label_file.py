"""One SQLite file that several threads, notebooks and processes may use at once, safe against a power cut.

What a transaction wrote is on the disk when it ends (write-ahead log, synchronous=FULL). What the file holds is
store.py's affair. Taught in lesson 04.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

BUSY_SECONDS = 10.0                # how long one process waits for another one's write


class LabelFile:
    """The file at `path`, with a connection for each thread. Raises `sqlite3.Error` where it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    @property
    def _connection(self) -> sqlite3.Connection:
        """This thread's own connection: widget callbacks come on other threads than the notebook's cells."""
        owner = (os.getpid(), threading.get_ident())
        if getattr(self._local, "owner", None) != owner:
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection, self._local.owner = connection, owner
        return self._local.connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are on the disk when it ends, or none. Wrap many `add_...` calls in one: it is faster."""
        connection = self._connection
        if connection.in_transaction:              # inside another one: that one decides
            yield
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:          # a full disk has already rolled it back
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        if getattr(self._local, "owner", None) is not None:
            self._local.connection.close()
            self._local.owner = None
