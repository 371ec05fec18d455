"""Files that are either the old one or the new one, whole: never half of each, whatever happens while writing."""

import contextlib
import errno
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from course_lib.errors import CourseError


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step; on any error the old file stays as it was and `OSError` is raised."""
    with _finished(path, content) as name:
        os.replace(name, path)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for text: UTF-8, line ends as given."""
    write_bytes(path, text.encode())


def create(path: Path, content: bytes) -> None:
    """Make a new file and its folders, whole or not at all.

    Raises:
        FileExistsError: there is such a file; it is left as it is.
        OSError: it could not be written.
    """
    if path.parent.exists() and not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{path.parent} is a file, not a folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _finished(path, content) as name:
        try:
            os.link(name, path)                # unlike a rename, never over a file that appeared in the meantime
        except FileExistsError:
            raise
        except OSError:                        # a file system without links
            if path.exists():
                raise FileExistsError(path) from None
            os.replace(name, path)


def create_next(path_of: Callable[[int], Path], content: bytes) -> Path:
    """`create` the first of `path_of(1)`, `path_of(2)`, ... that is free; returns its path."""
    for number in itertools.count(1):
        with contextlib.suppress(FileExistsError):
            create(path_of(number), content)
            return path_of(number)
    raise AssertionError("counting never ends")


@contextlib.contextmanager
def in_a_sentence(path: Path) -> Iterator[None]:
    """Turn a refusal of the operating system to write `path` into a `CourseError`; `FileExistsError` stays itself."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise CourseError(
            f"{path} could not be written: {error.strerror or error}. Nothing of yours was changed or lost. "
            "Make room or mend the permissions, then run the same command again.") from error


@contextlib.contextmanager
def _finished(path: Path, content: bytes) -> Iterator[str]:
    """The name of a temporary file beside `path` that holds all of `content` and is on the disk; gone afterwards."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode(path))
        yield name
    finally:
        Path(name).unlink(missing_ok=True)


def _mode(path: Path) -> int:
    """The permissions of the file that is there, or those that a new file would get."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
