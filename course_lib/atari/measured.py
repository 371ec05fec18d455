"""What the Atari benchmarks have measured, for the tables and figures of the lessons: a dict a line. Lessons 05, 06."""

import json

from course_lib.errors import CourseError
from course_lib.paths import root


class NotMeasured(CourseError):
    """A benchmark has no results in this checkout; the message says which command measures it."""


def measured(job: str, script: str = "pong") -> list[dict]:
    """The lines of benchmarks/results/pong_<job>.jsonl, by seed where they have one. Raises NotMeasured.

    script: the program in benchmarks/ that writes them, for the message.
    """
    path = root() / "benchmarks" / "results" / f"pong_{job}.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except FileNotFoundError:
        raise NotMeasured(f"benchmarks/results/{path.name} is not there: get it back with `git checkout`, or measure "
                          f"it with `python benchmarks/{script}.py`.") from None
    return sorted(lines, key=lambda line: line.get("seed", 0))
