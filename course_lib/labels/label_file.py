"""One SQLite file that several threads, notebooks and processes may use at once, safe against a power cut.

What a transaction wrote is on the disk, in the file that has this name, when it ends (write-ahead log,
synchronous=FULL). A file that another program has put in the place of this one is noticed before anything is
acknowledged. What the file holds is store.py's affair. Taught in lesson 04.
"""

import contextlib
import os
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from course_lib.errors import CourseError
from course_lib.labels.in_use import Hold

LOGS = ("-wal", "-journal", "-shm")
BUSY_SECONDS = 10.0                # how long one process waits for another one's write
NETWORK = ("nfs", "cifs", "smb", "9p", "sshfs", "afs", "lustre", "gpfs", "beegfs", "ceph", "gluster", "webdav", "davfs",
           "remote")               # kinds of file systems on which several machines may write
GONE_ELSEWHERE = ("{name} was replaced by another file while it was open, so this answer was not saved. Run the cells "
                  "of this notebook again from the top; then go on with the file that is there now.")


class LabelFile:
    """The file at `path`, with a connection for each thread. Raises `sqlite3.Error` where it cannot be used.

    read_only: nothing is written, made or changed, neither the file nor anything beside it.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path, self.read_only = path, read_only
        self._local = threading.local()
        self._copy: tempfile.TemporaryDirectory | None = None      # what is read where the file itself cannot be

    @property
    def _connection(self) -> sqlite3.Connection:
        """This thread's own connection: widget callbacks come on other threads than the notebook's cells."""
        owner = (os.getpid(), threading.get_ident())
        if getattr(self._local, "owner", None) != owner:
            self._local.hold = None if self.read_only else Hold(self.path, alone=False, seconds=BUSY_SECONDS)
            connection = self._reading() if self.read_only else writing(self.path)
            connection.row_factory = sqlite3.Row
            self._local.connection, self._local.owner = connection, owner
            self._local.opened = identity(self.path)
        return self._local.connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are on the disk when it ends, or none. Wrap many `add_...` calls in one: it is faster.

        Raises `CourseError` where the file is no longer the one that was opened: what was written is not acknowledged.
        """
        connection = self._connection
        if connection.in_transaction:              # inside another one: that one decides
            yield
            return
        self._same_file()
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._same_content()
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:          # a full disk has already rolled it back
                connection.execute("ROLLBACK")
            raise
        self._same_file()

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        if getattr(self._local, "owner", None) is not None:
            self._local.connection.close()
            self._local.owner = None
            if self._local.hold is not None:
                self._local.hold.free()

    def _same_file(self) -> None:
        if not self.read_only and identity(self.path) != self._local.opened:
            raise CourseError(GONE_ELSEWHERE.format(name=self.path.name))

    def _same_content(self) -> None:
        """Raise `CourseError` where another file was copied over this one; called as a transaction begins."""

    def _reading(self) -> sqlite3.Connection:
        if self._copy is not None:
            return writing(Path(self._copy.name) / self.path.name)
        return reading(self.path)

    def _read_a_copy(self) -> None:
        """From now on read a private copy, for instance of an older file, which is brought up to date there."""
        self.close()
        self._copy = tempfile.TemporaryDirectory(prefix="labels-")
        copy_of(self.path, Path(self._copy.name) / self.path.name)


def writing(path: Path) -> sqlite3.Connection:
    """A connection that may write, and makes the file when it is not there. Waits for those who open it just now."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            if is_foreign(connection):
                raise CourseError(f"{path} is some other SQLite file, not a label file. It was not touched.")
            connection.execute(f"PRAGMA journal_mode = {'TRUNCATE' if network_folder(path) else 'WAL'}")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            return connection
        except sqlite3.OperationalError as error:  # changing the journal does not wait, whatever timeout there is
            connection.close()
            if not getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY") or time.monotonic() > end:
                raise
        except BaseException:
            connection.close()
            raise
        time.sleep(random.uniform(0.002, 0.02))


def reading(path: Path) -> sqlite3.Connection:
    """A connection that only reads and makes nothing beside the file. Raises `sqlite3.Error` where it cannot be read.

    What lies in the log of a program that died is not seen: `has_orphaned_log` tells whether there is such a log.
    """
    open_elsewhere = path.with_name(path.name + "-shm").exists()
    still = "" if open_elsewhere else "&immutable=1"
    return sqlite3.connect(f"{path.as_uri()}?mode=ro{still}", uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def has_orphaned_log(path: Path) -> bool:
    """Whether a log lies beside the file that nobody has open: the next one to write brings it into the file."""
    return not path.with_name(path.name + "-shm").exists() and any(
        (_stamp(path.with_name(path.name + end)) or (0, 0))[1] > 0 for end in ("-wal", "-journal"))


def copy_of(path: Path, target: Path) -> None:
    """Copy the label file with its log, as it is at one moment; the file itself is only read.

    Raises `CourseError` where somebody writes to it all the time.
    """
    for _ in range(20):
        before = [_stamp(path.with_name(path.name + end)) for end in ("", *LOGS[:2])]
        for end in ("", *LOGS[:2]):
            source, goal = path.with_name(path.name + end), target.with_name(target.name + end)
            goal.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(source, goal)
        if before == [_stamp(path.with_name(path.name + end)) for end in ("", *LOGS[:2])]:
            return
        time.sleep(0.1)
    raise CourseError(f"{path} changes all the time. Close the notebooks that use it, then try again.")


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether this is some other program's SQLite file: it has tables, and none of a label file's."""
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return bool(names) and not names & {"items", "questions", "labels"}


def identity(path: Path) -> tuple[int, int] | None:
    """Which file bears this name now; None when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def network_folder(path: Path) -> str | None:
    """The kind of network file system that `path` lies on, or None: there SQLite's shared log does not work."""
    place = path.resolve()
    mounts = {Path(one.mountpoint): f"{one.fstype} {one.opts if os.name == 'nt' else ''}"
              for one in psutil.disk_partitions(all=True)}
    kind = next((mounts[folder] for folder in (place, *place.parents) if folder in mounts), "")
    return kind.split()[0] if any(word in kind.lower() for word in NETWORK) else None
