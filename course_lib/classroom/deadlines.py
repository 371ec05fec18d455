"""When a notebook was handed in, and how many days late: from the time of its file and the class's `due.csv`.

The time of a file is what the learning platform or nbgrader's `collect` gave it. A file of times that lies beside the
notebook is not read: whoever hands in may have written it.
"""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

from course_lib.errors import CourseError

FILE = "due.csv"
HEAD = "lesson,due\n"
Due = dict[str, datetime]


def read(path: Path) -> Due:
    """lesson -> when it is due; empty where there is no such file. A time without a zone is this computer's.

    Raises:
        CourseError: a line is no lesson and time.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"{path} cannot be read: {error}. Save it as CSV, UTF-8.") from None
    found: Due = {}
    for number, row in enumerate(rows, 2):
        lesson, due = (row.get("lesson") or "").strip(), (row.get("due") or "").strip()
        try:
            found[f"{int(lesson):02}"] = datetime.fromisoformat(due).astimezone(UTC)
        except ValueError:
            raise CourseError(f"{path}, line {number}: {lesson!r}, {due!r}. Each line has a lesson and a time, such as "
                              "03,2027-01-31 23:59 (or 2027-01-31T23:59+01:00).") from None
    return found


def handed_in(path: Path) -> str:
    """The time of a file, ISO, UTC, whole seconds; empty where it has none."""
    try:
        return datetime.fromtimestamp(int(path.lstat().st_mtime), UTC).isoformat()
    except (OSError, ValueError, OverflowError):
        return ""


def late_days(handed: str, due: datetime | None) -> int | None:
    """Days that have begun since it was due; 0 in time, None where nothing is due or no time is known."""
    if due is None or not handed:
        return None
    return max(0, -((due - datetime.fromisoformat(handed)) // timedelta(days=1)))
